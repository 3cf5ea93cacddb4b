//! Policy test files, as written and checked.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::compile::wrong_category;
use crate::remarks::Site;
use crate::suggest::nearest;
use crate::written::{self, Placed, Remarks, Written, or, quote};
use crate::{Action, AskError, Diagnostic, Place};

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

/// The failure of a case that does not say which: nobody is there.
const ERROR: &str = "error";

/// The tests of one profile of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestFile {
    /// The policy file, as written: meant from the folder of the test file.
    pub policy: String,
    /// Where it is named.
    pub policy_place: Place,
    /// The profile of all cases; none: the policy's default profile.
    pub profile: Option<String>,
    /// Where it is named.
    pub profile_place: Option<Place>,
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
    /// What is requested.
    pub subject: Subject,
    /// What the categorizer answers.
    pub categorized: Categorized,
    /// Who requests it.
    pub subscriber: Subscriber,
    /// When, for schedules. None: none of them is active.
    pub now: Option<Timestamp>,
    /// What must become of it.
    pub expect: Expectation,
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
        if file.cases.value.is_empty() {
            remarks.error(file.cases.place, "no case; a test file needs one");
        }
        let cases = file.cases.value.into_iter();
        let cases: Vec<Case> = cases
            .filter_map(|case| check(case, &mut names, &mut remarks))
            .collect();
        let profile = file.profile;
        remarks.finish()?;
        Ok(Self {
            policy_place: file.policy.place,
            policy: file.policy.text,
            profile_place: profile.as_ref().map(|name| name.place),
            profile: profile.map(|name| name.text),
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
    cases: Placed<Vec<Placed<CaseWritten>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseWritten {
    name: Written,
    uri: Option<Written>,
    sni: Option<Written>,
    categories: Option<Placed<Vec<Written>>>,
    icap: Option<Written>,
    #[serde(default)]
    subscriber: SubscriberWritten,
    now: Option<Written>,
    expect: Placed<ExpectWritten>,
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
}

fn check(
    written: Placed<CaseWritten>,
    names: &mut HashMap<String, Site>,
    remarks: &mut Remarks,
) -> Option<Case> {
    let place = written.place;
    let case = written.value;
    let site = remarks.site(case.name.place);
    if let Some(first) = names.insert(case.name.text.clone(), site.clone()) {
        let text = format!(
            "a case at {first} is called `{}` too; give each its own name",
            case.name.text
        );
        remarks.error_at(&site, text);
    }
    let subject = match (case.uri, case.sni) {
        (Some(uri), None) => Some(Subject::Uri(uri.text)),
        (None, Some(sni)) => Some(Subject::Sni(sni.text)),
        (None, None) | (Some(_), Some(_)) => {
            remarks.error(written.place, "a case has one of `uri` and `sni`");
            None
        }
    };
    let categorized = categorized(case.categories, case.icap, remarks);
    let subscriber = Subscriber {
        msisdn: case
            .subscriber
            .msisdn
            .and_then(|text| digits(text, remarks)),
        imsi: case.subscriber.imsi.and_then(|text| digits(text, remarks)),
    };
    let now = case.now.and_then(|text| {
        let read = crate::moment(&text.text);
        read.map_err(|wrong| remarks.error(text.place, wrong)).ok()
    });
    let expect = expectation(case.expect, remarks);
    Some(Case {
        name: case.name.text,
        place,
        subject: subject?,
        categorized,
        subscriber,
        now,
        expect: expect?,
    })
}

fn categorized(
    categories: Option<Placed<Vec<Written>>>,
    icap: Option<Written>,
    remarks: &mut Remarks,
) -> Categorized {
    let Some(icap) = icap else {
        let categories = categories.map(|list| list.value).unwrap_or_default();
        let categories = categories.into_iter();
        return Categorized::Categories(
            categories
                .filter_map(|text| category(&text, remarks))
                .collect(),
        );
    };
    let class = match icap.text.as_str() {
        ERROR => Some(AskError::Connect),
        word => AskError::of_word(word),
    };
    if class.is_none() {
        let mut words = vec![ERROR];
        words.extend(AskError::ALL.map(AskError::as_str));
        let text = format!(
            "`{}` is no failure; use {}, or `categories`",
            quote(&icap.text),
            or(&words)
        );
        remarks.error(icap.place, text);
    } else if let Some(categories) = categories {
        let text = "a case has one of `categories` and `icap`";
        remarks.error(categories.place, text);
    }
    Categorized::Failed(class.unwrap_or(AskError::Connect))
}

fn category(text: &Written, remarks: &mut Remarks) -> Option<String> {
    let category = text.text.to_ascii_lowercase();
    match wrong_category(&category) {
        None => Some(category),
        Some(wrong) => {
            remarks.error(text.place, wrong);
            None
        }
    }
}

fn digits(text: Written, remarks: &mut Remarks) -> Option<String> {
    if !text.text.is_empty() && text.text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.text);
    }
    let wrong = format!(
        "`{}` is not a subscriber's number; use digits only",
        text.text.escape_debug()
    );
    remarks.error(text.place, wrong);
    None
}

fn expectation(written: Placed<ExpectWritten>, remarks: &mut Remarks) -> Option<Expectation> {
    let ExpectWritten {
        action,
        source,
        location,
        rule,
    } = written.value;
    let verb = verb(&action, remarks);
    if let Some(source) = &source {
        check_source(source, remarks);
    }
    if let Some(location) = &location
        && matches!(verb, Some(Verb::Pass | Verb::Block))
    {
        let text = "only `action: redirect` has a `location`";
        remarks.error(location.place, text);
    }
    Some(Expectation {
        place: written.place,
        action: verb?,
        source: source.map(|text| text.text),
        location: location.map(|text| text.text),
        rule: rule.map(|text| text.text),
    })
}

fn verb(text: &Written, remarks: &mut Remarks) -> Option<Verb> {
    match text.text.as_str() {
        "pass" => Some(Verb::Pass),
        "block" => Some(Verb::Block),
        "redirect" => Some(Verb::Redirect),
        other => {
            let wrong = format!("`{other}` is not an action; use pass, block or redirect");
            remarks.error(text.place, wrong);
            None
        }
    }
}

fn check_source(text: &Written, remarks: &mut Remarks) {
    let found = text.text.as_str();
    if SOURCES.contains(&found) {
        return;
    }
    let wrong = match nearest(found, SOURCES) {
        Some(near) => format!("`{found}` is not a source; did you mean `{near}`?"),
        None => format!("`{found}` is not a source; use {}", SOURCES.join(", ")),
    };
    remarks.error(text.place, wrong);
}
