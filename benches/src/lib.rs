//! What is measured: every operation that a request passes through, each made ready to be run
//! again and again. The benches measure how long that takes and how many instructions it needs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a subject that is not what its name says must not be measured"
)]

use std::hint::black_box;

mod cache;
mod category;
mod exchange;
mod head;
mod hello;
mod list;
pub mod lists;
pub mod model;
pub mod peers;
mod redirect;
mod request;
mod session;
mod turns;
mod uris;

/// One operation that is measured.
pub struct Subject {
    name: &'static str,
    operation: Box<dyn FnMut()>,
}

impl Subject {
    /// Creates a subject. What `operation` returns is dropped by each run, as the program drops
    /// it for each request.
    fn new<T>(name: &'static str, mut operation: impl FnMut() -> T + 'static) -> Self {
        Self {
            name,
            operation: Box::new(move || {
                black_box(operation());
            }),
        }
    }

    /// Returns the name: group, slash, what is special about it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the operation once.
    pub fn run(&mut self) {
        (self.operation)();
    }
}

/// Makes all subjects ready, in the order in which a request meets them.
#[must_use]
pub fn subjects() -> Vec<Subject> {
    [
        hello::subjects(),
        head::subjects(),
        uris::subjects(),
        session::subjects(),
        list::subjects(),
        cache::subjects(),
        exchange::subjects(),
        category::subjects(),
        redirect::subjects(),
        request::subjects(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each subject looks at its own result when it is made.
    #[test]
    fn every_subject_runs_and_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for mut subject in subjects() {
            subject.run();
            assert!(names.insert(subject.name()), "{}", subject.name());
        }
    }
}
