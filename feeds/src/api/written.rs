//! The body of a request, as an operator wrote it.

use serde::Deserialize;
use sessions::{Assignment, Digits};

use super::Profiles;
use super::refusal::{QUOTE_LEN_MAX, Refusal, cut, quote};

/// Characters of an access point name at most (TS 23.003 9.1).
pub const APN_LEN_MAX: usize = 100;

/// Characters of what is said of a body, from one quoted part to the next, at most.
const SAID_LEN_MAX: usize = 160;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Written {
    msisdn: Option<String>,
    imsi: Option<String>,
    apn: Option<String>,
    profile: Option<String>,
}

/// Reads what a session is to be. What is absent it has not.
pub(super) fn assignment(bytes: &[u8], profiles: &Profiles) -> Result<Assignment, Refusal> {
    // Values without their keys are no session, though serde would take them.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Refusal::NotASession("it is a list".to_owned()));
    }
    let written: Written = serde_json::from_slice(bytes)
        .map_err(|wrong| Refusal::NotASession(quote_parts(&wrong.to_string())))?;
    let profile = written.profile.as_deref();
    Ok(Assignment {
        msisdn: digits("an MSISDN", written.msisdn.as_deref())?,
        imsi: digits("an IMSI", written.imsi.as_deref())?,
        apn: written.apn.as_deref().map(apn).transpose()?,
        profile: profile
            .map(&**profiles)
            .transpose()
            .map_err(Refusal::Profile)?,
    })
}

fn digits(key: &'static str, text: Option<&str>) -> Result<Option<Digits>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    let digits = Digits::new(text).ok_or_else(|| Refusal::NotDigits {
        key,
        found: quote(text),
    });
    digits.map(Some)
}

/// Access point names are compared without regard to case (TS 23.003 9.1).
fn apn(text: &str) -> Result<Box<str>, Refusal> {
    let good = (1..=APN_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match good {
        true => Ok(text.to_ascii_lowercase().into()),
        false => Err(Refusal::NotAnApn(quote(text))),
    }
}

/// What is said of the body has parts of it in backticks.
fn quote_parts(text: &str) -> String {
    let said = text
        .split('`')
        .enumerate()
        .map(|(nth, part)| match nth % 2 {
            0 => cut(part, SAID_LEN_MAX),
            _ => cut(part, QUOTE_LEN_MAX),
        });
    said.collect::<Vec<_>>().join("`")
}
