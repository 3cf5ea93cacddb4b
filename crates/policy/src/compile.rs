use crate::{Diagnostic, PolicySet};

/// A policy file that can be used, with what its author should know.
#[derive(Debug)]
pub struct Compiled {
    /// Ready to decide with.
    pub set: PolicySet,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the text of the policy file called `name` and makes it ready to decide with.
///
/// `read` returns the text of a list file that the policy names, by the path as written there; it
/// belongs to the caller because nothing here touches a file.
///
/// # Errors
///
/// Fails with everything that is wrong with the file, in the order of the file.
pub fn compile(
    _name: &str,
    _text: &str,
    _read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Compiled, Vec<Diagnostic>> {
    todo!()
}
