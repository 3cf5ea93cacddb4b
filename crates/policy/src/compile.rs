use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::file::PolicyFile;
use crate::suggest::unknown;
use crate::written::{self, Remarks, Written};
use crate::{Diagnostic, PolicySet, Warning};

mod destinations;
mod entries;
mod policies;
mod profiles;
mod times;
mod unused;
mod warnings;

#[cfg(test)]
mod tests;

pub use entries::LIST_LEN_MAX;
pub(crate) use entries::read_all as read_lists;
pub(crate) use policies::wrong_category;

/// A policy file that can be used, with what its author should know.
#[derive(Debug)]
pub struct Compiled {
    /// Ready to decide with.
    pub set: PolicySet,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// Kinds of warnings that the file silences.
    pub allowed: BTreeSet<Warning>,
}

/// Reads the text of the policy file called `name` and makes it ready to decide with.
///
/// `read` returns the text of a list file that the policy names, by the path as written there; it
/// belongs to the caller because nothing here touches a file. A path that is not absolute is
/// meant from the folder of the policy file, and shown so.
///
/// # Errors
///
/// Fails with everything that is wrong with the file, in the order of the file. Where it is no
/// YAML of the right shape, that is the first mistake only.
pub fn compile(
    name: &str,
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Compiled, Vec<Diagnostic>> {
    let file: PolicyFile = written::read(name, text).map_err(|error| vec![error])?;
    let mut remarks = Remarks::new(name);
    allow(&file.allow_warnings, &mut remarks);
    let lists = entries::read_all(&file.lists, read, &mut remarks);
    let mut destinations = destinations::Destinations::default();
    let policies = policies::compile(&file.policies, &mut destinations, &mut remarks);
    let bypass = bypass(&file.bypass, &mut remarks);
    let mut profiles = profiles::Compiler {
        lists: &lists,
        policies: &policies,
        bypass: &bypass,
        list_users: BTreeMap::new(),
        destinations,
        times: times::Times::new(&file.schedules, &mut remarks),
        remarks,
    };
    let compiled = profiles.compile(&file.profiles.value);
    profiles.warn_of_unused(&file, &compiled);
    let profiles::Compiler {
        destinations,
        times,
        mut remarks,
        ..
    } = profiles;
    if compiled.is_empty() {
        remarks.error(file.profiles.place, "no profile; a policy file needs one");
    }
    let default_profile = file.default_profile.as_ref();
    if let Some(default) = default_profile {
        let mut names = file
            .profiles
            .value
            .0
            .iter()
            .map(|(name, _)| name.text.as_str());
        if !names.clone().any(|name| name == default.text) {
            remarks.error(default.place, unknown("profile", &default.text, &mut names));
        }
    }
    let allowed = remarks.allowed().clone();
    let warnings = remarks.finish()?;
    let default_profile = default_profile.map(|name| name.text.as_str());
    let set = PolicySet::new(
        compiled,
        default_profile,
        &bypass,
        destinations.into_all(),
        times.into_timetable(),
    );
    Ok(Compiled {
        set,
        warnings,
        allowed,
    })
}

/// Silences the warnings that the file names.
fn allow(written: &[Written], remarks: &mut Remarks) {
    for name in written {
        match Warning::of_name(&name.text) {
            Ok(warning) => remarks.allow([warning]),
            Err(unknown) => remarks.error(name.place, unknown),
        }
    }
}

fn bypass(written: &[Written], remarks: &mut Remarks) -> Vec<IpNet> {
    let ranges = written.iter().filter_map(|text| text.range(remarks));
    ranges.collect()
}

/// Names of a map of the file, for [`unknown`].
fn names<'a, V>(map: &'a BTreeMap<&str, V>) -> impl Iterator<Item = &'a str> {
    map.keys().copied()
}
