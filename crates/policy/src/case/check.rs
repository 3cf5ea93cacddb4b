//! From a case as written to one that can be run.

use std::collections::HashMap;

use super::{
    AFTER_MAX, Case, CaseWritten, Categorized, ENFORCEMENTS, Earlier, EarlierWritten,
    ExpectWritten, Expectation, SOURCES, Subject, Subscriber, Verb,
};
use crate::compile::wrong_category;
use crate::remarks::Site;
use crate::suggest::nearest;
use crate::written::{Placed, Remarks, Written, or, quote};
use crate::{AskError, Place};

/// The failure of a case that does not say which: nobody is there.
const ERROR: &str = "error";

pub(super) fn case(
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
    let subject = subject(case.uri, case.sni, written.place, remarks);
    let categorized = categorized(case.categories, case.icap, remarks);
    let prefix = case.prefix.and_then(|text| prefix(&text, remarks));
    let address = "an address; use the form `192.0.2.1` or `2001:db8::1`";
    if let (Some(resolves_to), None) = (&case.resolves_to, &case.destination) {
        let text = "`resolves_to` is compared with the `destination`, which is missing";
        remarks.error(resolves_to.place, text);
    }
    let destination = case
        .destination
        .and_then(|text| text.parse(address, remarks));
    let resolves_to = case.resolves_to.map(|list| {
        let texts = list.value.iter();
        texts
            .filter_map(|text| text.parse(address, remarks))
            .collect()
    });
    let after = after(case.after, remarks);
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
        profile: case.profile,
        subject: subject?,
        categorized,
        prefix,
        destination,
        resolves_to,
        after,
        subscriber,
        now,
        expect: expect?,
    })
}

fn subject(
    uri: Option<Written>,
    sni: Option<Written>,
    place: Place,
    remarks: &mut Remarks,
) -> Option<Subject> {
    match (uri, sni) {
        (Some(uri), None) => Some(Subject::Uri(uri.text)),
        (None, Some(sni)) => Some(Subject::Sni(sni.text)),
        (None, None) | (Some(_), Some(_)) => {
            remarks.error(place, "a request has one of `uri` and `sni`");
            None
        }
    }
}

fn after(
    written: Option<Placed<Vec<Placed<EarlierWritten>>>>,
    remarks: &mut Remarks,
) -> Vec<Earlier> {
    let Some(list) = written else {
        return Vec::new();
    };
    remarks.counted(&list, AFTER_MAX, "requests");
    let earlier = list.value.into_iter();
    earlier
        .filter_map(|Placed { value, place }| {
            let subject = subject(value.uri, value.sni, place, remarks);
            let categorized = categorized(value.categories, value.icap, remarks);
            let prefix = value.prefix.and_then(|text| prefix(&text, remarks));
            Some(Earlier {
                subject: subject?,
                categorized,
                prefix,
            })
        })
        .collect()
}

fn prefix(text: &Written, remarks: &mut Remarks) -> Option<u64> {
    text.number("a number of characters", 0..=u64::MAX, remarks)
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
        enforcement,
    } = written.value;
    let verb = verb(&action, remarks);
    if let Some(source) = &source {
        one_of(&SOURCES, "a source", source, remarks);
    }
    if let Some(enforcement) = &enforcement {
        one_of(&ENFORCEMENTS, "an enforcement", enforcement, remarks);
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
        enforcement: enforcement.map(|text| text.text),
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

fn one_of(words: &[&str], what: &str, text: &Written, remarks: &mut Remarks) {
    let found = text.text.as_str();
    if words.contains(&found) {
        return;
    }
    let wrong = match nearest(found, words.iter().copied()) {
        Some(near) => format!("`{found}` is not {what}; did you mean `{near}`?"),
        None => format!("`{found}` is not {what}; use {}", words.join(", ")),
    };
    remarks.error(text.place, wrong);
}
