use std::collections::HashMap;
use std::sync::Arc;

use crate::redirect::FormattingCode;
use crate::written::{Remarks, Written, quote};
use crate::{DestinationId, LOCATION_LEN_MAX, RedirectFacts, RedirectTemplate, Warning};

/// Digits of an MSISDN and of an IMSI at most (E.164, E.212).
const DIGITS_MAX: &str = "999999999999999";

/// Characters of a request's URI that a destination should have room for, after escaping.
const USUAL_URI_LEN: usize = 200;

/// The redirect destinations of a file, numbered in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    all: Vec<Arc<RedirectTemplate>>,
    by_text: HashMap<String, DestinationId>,
}

impl Destinations {
    /// Returns the number of a destination; equal texts are one. Reports what is wrong with it.
    pub(super) fn add(&mut self, to: &Written, remarks: &mut Remarks) -> Option<DestinationId> {
        if let Some(id) = self.by_text.get(&to.text) {
            return Some(*id);
        }
        let template = RedirectTemplate::try_from(to.text.clone());
        let template = template
            .map_err(|bad| remarks.error(to.place, format!("`{}`: {bad}", quote(&to.text))))
            .ok()?;
        warn_of_clear_text(to, &template, remarks);
        warn_of_length(to, &template, remarks);
        let id = DestinationId(u32::try_from(self.all.len()).ok()?);
        self.all.push(Arc::new(template));
        self.by_text.insert(to.text.clone(), id);
        Some(id)
    }

    pub(super) fn get(&self, id: DestinationId) -> Option<&RedirectTemplate> {
        let index = usize::try_from(id.0).ok()?;
        self.all.get(index).map(AsRef::as_ref)
    }

    pub(super) fn into_all(self) -> Vec<Arc<RedirectTemplate>> {
        self.all
    }
}

fn warn_of_clear_text(to: &Written, template: &RedirectTemplate, remarks: &mut Remarks) {
    let clear = template
        .bare()
        .is_ok_and(|uri| uri.scheme() == uri::Scheme::Http);
    let mut told: Vec<FormattingCode> = Vec::new();
    for code in template.codes().filter(|code| *code != FormattingCode::Uri) {
        if clear && !told.contains(&code) {
            told.push(code);
            remarks.warning(
                Warning::SubscriberInClear,
                to.place,
                format!("`{code}` is sent unencrypted to an `http:` destination; use `https:`"),
            );
        }
    }
}

/// Warns of what is cut off at [`LOCATION_LEN_MAX`] where requests are as they are usual.
fn warn_of_length(to: &Written, template: &RedirectTemplate, remarks: &mut Remarks) {
    let uri = "u".repeat(USUAL_URI_LEN);
    let len = template.whole_len(RedirectFacts {
        msisdn: DIGITS_MAX,
        imsi: DIGITS_MAX,
        uri: uri.as_bytes(),
    });
    if len > LOCATION_LEN_MAX {
        let text = format!(
            "this destination has {len} characters with 15 digits for `%M` and `%S` and \
             {USUAL_URI_LEN} characters for `%U`; it is cut at {LOCATION_LEN_MAX}"
        );
        remarks.warning(Warning::RedirectTooLong, to.place, text);
    } else if template.goes_on_after_uri() {
        let text = format!(
            "what stands behind `%U` is cut off where the URI of the request is long, at \
             {LOCATION_LEN_MAX} characters; put `%U` last"
        );
        remarks.warning(Warning::RedirectTooLong, to.place, text);
    }
}
