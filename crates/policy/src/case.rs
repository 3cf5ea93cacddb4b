//! Policy test files, as written and checked.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;

use crate::written::{self, Placed, Remarks, Written};
use crate::{Action, AskError, Diagnostic, Place};

mod check;
#[cfg(test)]
mod tests;

/// What a decision may be based on, as `source` of an expectation says it.
pub const SOURCES: [&str; 12] = [
    "unfiltered",
    "bypass",
    "no_profile",
    "cache",
    "pass_list",
    "block_list",
    "redirect_list",
    "icap",
    "default",
    "unknown",
    "error",
    "undecidable",
];

/// What is done on a connection, as `enforcement` of an expectation says it.
pub const ENFORCEMENTS: [&str; 5] = ["forward", "discard", "reset", "forbid", "redirect"];

/// Requests that a case may come after.
pub const AFTER_MAX: usize = 100;

/// The tests of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestFile {
    /// The policy file, as written: meant from the folder of the test file.
    pub policy: String,
    /// Where it is named.
    pub policy_place: Place,
    /// What is tested, in the order of the file. Never empty.
    pub cases: Vec<Case>,
}

/// One request and what must become of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// What the case claims; unique in the file.
    pub name: String,
    /// Where the case is.
    pub place: Place,
    /// The profile of the session: the case's own, or that of its table, or that of the file.
    /// None: the policy's default profile.
    pub profile: Option<Written>,
    /// What is requested.
    pub subject: Subject,
    /// What the categorizer answers.
    pub categorized: Categorized,
    /// X-Attribute-Prefix of the answer, in characters of the URI.
    pub prefix: Option<u64>,
    /// The address that the client dialled; none: it is not known, or written as the host.
    pub destination: Option<IpAddr>,
    /// What DNS answers, where it is asked whether the name leads to the destination.
    pub resolves_to: Option<Vec<IpAddr>>,
    /// Requests that were decided before, with the same cache.
    pub after: Vec<Earlier>,
    /// Who requests it.
    pub subscriber: Subscriber,
    /// When, for schedules. None: none of them is active.
    pub now: Option<Timestamp>,
    /// What must become of it.
    pub expect: Expectation,
}

/// A request before that of a case, of the same profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Earlier {
    /// What was requested.
    pub subject: Subject,
    /// What the categorizer answered.
    pub categorized: Categorized,
    /// X-Attribute-Prefix of the answer.
    pub prefix: Option<u64>,
}

/// What a case requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// An HTTP request.
    Uri(String),
    /// A TLS connection.
    Sni(String),
}

/// What the categorizer answers in a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Categorized {
    /// These categories, in lower case; maybe none.
    Categories(Vec<String>),
    /// It could not be asked, or did not answer rightly.
    Failed(AskError),
}

/// Who requests; what is absent is empty in a redirect.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subscriber {
    /// Decimal digits.
    pub msisdn: Option<String>,
    /// Decimal digits.
    pub imsi: Option<String>,
}

/// What a case expects. What is absent is not compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expectation {
    /// Where it is.
    pub place: Place,
    /// What is done.
    pub action: Verb,
    /// One of [`SOURCES`].
    pub source: Option<String>,
    /// Where a redirect goes.
    pub location: Option<String>,
    /// The list entry or the category that decided.
    pub rule: Option<String>,
    /// One of [`ENFORCEMENTS`].
    pub enforcement: Option<String>,
}

/// An action without its destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// The request goes to the origin.
    Pass,
    /// The request is refused.
    Block,
    /// The client is sent elsewhere.
    Redirect,
}

impl TestFile {
    /// Reads the text of the test file called `name`.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the file; where it is no YAML of the right shape,
    /// with the first mistake.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let file: FileWritten = written::read(name, text).map_err(|error| vec![error])?;
        let mut remarks = Remarks::new(name);
        let mut names = HashMap::new();
        let mut cases = Vec::new();
        if file.cases.is_none() && file.tables.is_empty() {
            let start = Place { line: 1, column: 1 };
            remarks.error(
                start,
                "no `cases` and no `tables`; a test file needs one of them",
            );
        }
        let own = file.cases.map(|cases| TableWritten {
            profile: None,
            cases,
        });
        for table in own.into_iter().chain(file.tables) {
            if table.cases.value.is_empty() {
                remarks.error(table.cases.place, "no case; a table needs one");
            }
            let profile = table.profile.or_else(|| file.profile.clone());
            cases.extend(table.cases.value.into_iter().filter_map(|case| {
                let case = check::case(case, &mut names, &mut remarks)?;
                Some(Case {
                    profile: case.profile.or_else(|| profile.clone()),
                    ..case
                })
            }));
        }
        remarks.finish()?;
        Ok(Self {
            policy_place: file.policy.place,
            policy: file.policy.text,
            cases,
        })
    }
}

impl Verb {
    /// Returns the verb of an action.
    #[must_use]
    pub fn of(action: Action) -> Self {
        match action {
            Action::Pass => Self::Pass,
            Action::Block => Self::Block,
            Action::Redirect(_) => Self::Redirect,
        }
    }

    /// Returns the word of files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Block => "block",
            Self::Redirect => "redirect",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWritten {
    policy: Written,
    profile: Option<Written>,
    cases: Option<Placed<Vec<Placed<CaseWritten>>>>,
    #[serde(default)]
    tables: Vec<TableWritten>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableWritten {
    profile: Option<Written>,
    cases: Placed<Vec<Placed<CaseWritten>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseWritten {
    name: Written,
    profile: Option<Written>,
    uri: Option<Written>,
    sni: Option<Written>,
    categories: Option<Placed<Vec<Written>>>,
    icap: Option<Written>,
    prefix: Option<Written>,
    destination: Option<Written>,
    resolves_to: Option<Placed<Vec<Written>>>,
    after: Option<Placed<Vec<Placed<EarlierWritten>>>>,
    #[serde(default)]
    subscriber: SubscriberWritten,
    now: Option<Written>,
    expect: Placed<ExpectWritten>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EarlierWritten {
    uri: Option<Written>,
    sni: Option<Written>,
    categories: Option<Placed<Vec<Written>>>,
    icap: Option<Written>,
    prefix: Option<Written>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriberWritten {
    msisdn: Option<Written>,
    imsi: Option<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectWritten {
    action: Written,
    source: Option<Written>,
    location: Option<Written>,
    rule: Option<Written>,
    enforcement: Option<Written>,
}
