//! What an ICAP answer means to the filter.

use std::sync::Arc;
use std::time::Duration;

use filter::{AnswerVerdict, AskError, SharedPrefix};
use icap::{Answer, AnswerReader, CacheDirective, Cacheability, Exchange, PrefixLength};

use crate::config::{Icap, PrefixUnit};

/// How answers are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    honor_cache_control: bool,
    prefix_unit: PrefixUnit,
    honour_http_response: bool,
}

/// Whether an answer may be cached as far as its ISTag goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keep {
    /// It may.
    Allowed,
    /// It may not.
    Forbidden,
}

impl Reading {
    /// Takes what matters from the configuration.
    pub(super) fn new(config: &Icap) -> Self {
        Self {
            honor_cache_control: config.honor_cache_control,
            prefix_unit: config.prefix_unit,
            honour_http_response: config.honour_http_response,
        }
    }

    /// Returns the reader for the answer to one question.
    pub(super) fn reader(self, kind: Exchange) -> AnswerReader {
        let reader = AnswerReader::new(kind);
        match (kind, self.honour_http_response) {
            (Exchange::Reqmod, true) => reader.with_http_response(),
            (Exchange::Options, _) | (Exchange::Reqmod, false) => reader,
        }
    }

    /// Reads an answer to REQMOD.
    ///
    /// # Errors
    ///
    /// Fails if its status answers nothing.
    pub(super) fn read(self, answer: Answer, keep: Keep) -> Result<filter::Answer, AskError> {
        is_usable(&answer)?;
        let lifetime = self.lifetime(&answer, keep);
        let prefix = self.prefix(answer.prefix);
        let categories = answer.categories.unwrap_or_default();
        Ok(filter::Answer {
            categories: categories.into_iter().map(Arc::from).collect(),
            verdict: answer.http_response.map(|response| {
                AnswerVerdict::of_response(response.status, response.location.as_deref())
            }),
            prefix,
            lifetime,
        })
    }

    fn prefix(self, length: PrefixLength) -> Option<SharedPrefix> {
        if self.honour_http_response {
            // A prefix says how far the categories hold, and nothing of verdicts below it.
            return None;
        }
        match (self.prefix_unit, length) {
            (PrefixUnit::Ignore, _) | (_, PrefixLength::Absent) => None,
            (PrefixUnit::Uri, PrefixLength::Number(length)) => Some(SharedPrefix::Uri(length)),
            (PrefixUnit::Path, PrefixLength::Number(length)) => Some(SharedPrefix::Path(length)),
            (PrefixUnit::Uri | PrefixUnit::Path, PrefixLength::Malformed) => {
                Some(SharedPrefix::Malformed)
            }
        }
    }

    fn lifetime(self, answer: &Answer, keep: Keep) -> Option<Duration> {
        // An answer for one user is never another's, whatever is configured.
        if keep == Keep::Forbidden || answer.cacheability == Cacheability::Limited {
            return Some(Duration::ZERO);
        }
        match answer.cache_directive {
            CacheDirective::NoStore if self.honor_cache_control => Some(Duration::ZERO),
            CacheDirective::MaxAge(seconds) if self.honor_cache_control => {
                Some(Duration::from_secs(seconds))
            }
            CacheDirective::Absent | CacheDirective::NoStore | CacheDirective::MaxAge(_) => None,
        }
    }
}

fn is_usable(answer: &Answer) -> Result<(), AskError> {
    match answer.status {
        204 => Ok(()),
        200 | 201 | 206 => {
            let has_head = answer.encapsulated.is_some_and(|said| said.heads_len() > 0);
            // With neither, nothing was said, not even that the request is the answer.
            if answer.categories.is_some() || has_head {
                Ok(())
            } else {
                Err(AskError::Protocol)
            }
        }
        503 => Err(AskError::Overload),
        _ => Err(AskError::Status),
    }
}

#[cfg(test)]
mod tests {
    use icap::FedAnswer;

    use super::*;

    #[test]
    fn statuses() {
        for (head, expected) in [
            ("204 x", Ok(0)),
            ("204 x\r\nX-Attribute: A, b", Ok(2)),
            ("200 x\r\nX-Attribute: a", Ok(1)),
            ("200 x\r\nEncapsulated: req-hdr=0, null-body=9", Ok(0)),
            (
                "206 x\r\nX-Attribute: a\r\nEncapsulated: req-hdr=0, null-body=9",
                Ok(1),
            ),
            ("200 x", Err(AskError::Protocol)),
            (
                "200 x\r\nEncapsulated: null-body=0",
                Err(AskError::Protocol),
            ),
            ("202 x", Err(AskError::Status)),
            ("302 x", Err(AskError::Status)),
            ("404 x\r\nX-Attribute: a", Err(AskError::Status)),
            ("500 x", Err(AskError::Status)),
            ("503 x", Err(AskError::Overload)),
        ] {
            let read = read(PrefixUnit::Uri, true, head);
            assert_eq!(
                read.map(|answer| answer.categories.len()),
                expected,
                "{head}"
            );
        }
    }

    #[test]
    fn prefixes_follow_the_unit() {
        for (unit, value, expected) in [
            (PrefixUnit::Uri, "24", Some(SharedPrefix::Uri(24))),
            (PrefixUnit::Path, "24", Some(SharedPrefix::Path(24))),
            (PrefixUnit::Ignore, "24", None),
            (PrefixUnit::Uri, "-1", Some(SharedPrefix::Malformed)),
            (PrefixUnit::Path, "", Some(SharedPrefix::Malformed)),
            (PrefixUnit::Ignore, "-1", None),
        ] {
            let head = format!("204 x\r\nX-Attribute-Prefix: {value}");
            let answer = read(unit, true, &head).unwrap();
            assert_eq!(answer.prefix, expected, "{unit:?} {value}");
        }
        assert_eq!(read(PrefixUnit::Uri, true, "204 x").unwrap().prefix, None);
    }

    #[test]
    fn lifetimes() {
        let zero = Some(Duration::ZERO);
        for (line, honored, ignored) in [
            ("X-Nothing: x", None, None),
            (
                "Cache-Control: max-age=60",
                Some(Duration::from_secs(60)),
                None,
            ),
            ("Cache-Control: no-store", zero, None),
            ("Pragma: no-cache", zero, None),
            ("Cache-Control: max-age=0", zero, None),
            ("X-Attribute-Cacheability: user=bWlrZQ==", zero, zero),
            ("X-Attribute-Cacheability: all", None, None),
        ] {
            let head = format!("204 x\r\n{line}");
            let lifetime = |honor| read(PrefixUnit::Uri, honor, &head).unwrap().lifetime;
            assert_eq!(
                (lifetime(true), lifetime(false)),
                (honored, ignored),
                "{line}"
            );
        }
    }

    #[test]
    fn an_unkept_answer_has_no_lifetime() {
        let reading = Reading {
            honor_cache_control: true,
            prefix_unit: PrefixUnit::Uri,
            honour_http_response: false,
        };
        let answer = parse("204 x\r\nCache-Control: max-age=60");
        let read = reading.read(answer, Keep::Forbidden).unwrap();
        assert_eq!(read.lifetime, Some(Duration::ZERO));
    }

    fn read(
        prefix_unit: PrefixUnit,
        honor_cache_control: bool,
        head: &str,
    ) -> Result<filter::Answer, AskError> {
        let reading = Reading {
            honor_cache_control,
            prefix_unit,
            honour_http_response: false,
        };
        reading.read(parse(head), Keep::Allowed)
    }

    fn parse(head: &str) -> Answer {
        let bytes = format!("ICAP/1.0 {head}\r\n\r\n");
        let fed = AnswerReader::new(Exchange::Reqmod).feed(bytes.as_bytes());
        let FedAnswer::Answer(answer, _) = fed else {
            panic!("{fed:?}")
        };
        *answer
    }
}
