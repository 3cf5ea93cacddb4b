use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// The current time as HTTP writes it, formatted at most once a second.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// Returns the time now.
    pub(crate) fn now(&mut self) -> &str {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.at(now.map_or(0, |since| since.as_secs()))
    }

    fn at(&mut self, second: u64) -> &str {
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = i64::try_from(second)
                .ok()
                .and_then(|second| Timestamp::from_second(second).ok())
                .and_then(|time| {
                    DateTimePrinter::new()
                        .timestamp_to_rfc9110_string(&time)
                        .ok()
                })
                .unwrap_or_default();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imf_fixdate() {
        let mut date = Date::default();
        assert_eq!(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date.at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(date.now().ends_with(" GMT"));
    }
}
