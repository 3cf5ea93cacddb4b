//! Logs for people and for machines, on standard error.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};

use jiff::Timestamp;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The environment variable that says what is logged, such as `debug` or `info,proxy=trace`.
pub const FILTER_VARIABLE: &str = "WEIR_LOG";

/// What is logged when the variable is absent or empty.
pub const FILTER_DEFAULT: &str = "info";

/// What is not logged unless the variable names it: lines of these libraries hold names that
/// clients ask for, at every level.
const QUIET: &str = "hickory_net=off,hickory_proto=off,hickory_resolver=off";

/// The environment variable that says how lines are written: `text`, `json` or `auto`.
pub const FORMAT_VARIABLE: &str = "WEIR_LOG_FORMAT";

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// As [`FORMAT_VARIABLE`] says; without it text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The variable is no filter.
    #[error(
        "{FILTER_VARIABLE} is `{found}`; use error, warn, info, debug or trace, or `target=level` \
         joined by commas"
    )]
    Filter {
        /// What the variable holds.
        found: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The variable is no format.
    #[error("{FORMAT_VARIABLE} is `{0}`; use text, json or auto")]
    Format(String),
    /// Logs were set up before.
    #[error("logs are already set up")]
    Again,
}

/// Sends the whole program's logs to standard error, filtered by [`FILTER_VARIABLE`].
///
/// # Errors
///
/// Fails if a variable has no meaning or logs were set up before.
pub fn start(format: Format) -> Result<(), TelemetryError> {
    let filter = parse_filter(&variable(FILTER_VARIABLE))?;
    let format = match format {
        Format::Auto => parse_format(&variable(FORMAT_VARIABLE))?,
        Format::Text | Format::Json => format,
    };
    let subscriber = subscriber(filter, format, io::stderr().is_terminal(), io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Again)
}

/// Returns the value of a variable; what is not UTF-8 in it stays visible in the error.
fn variable(name: &str) -> String {
    env::var_os(name).map_or_else(String::new, |value| value.to_string_lossy().into_owned())
}

fn parse_format(text: &str) -> Result<Format, TelemetryError> {
    match text.trim() {
        "" | "auto" => Ok(Format::Auto),
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => Err(TelemetryError::Format(other.to_owned())),
    }
}

fn parse_filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    let text = match text.trim() {
        "" => FILTER_DEFAULT,
        text => text,
    };
    // Of two directives for one target the last one counts.
    EnvFilter::try_new(format!("{QUIET},{text}")).map_err(|source| TelemetryError::Filter {
        found: text.to_owned(),
        source,
    })
}

fn subscriber<W>(
    filter: EnvFilter,
    format: Format,
    terminal: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(UtcMillis)
        .with_writer(writer)
        .with_ansi(terminal);
    let json = match format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    };
    if json {
        Box::new(lines.json().flatten_event(true).finish())
    } else {
        Box::new(lines.finish())
    }
}

/// RFC 3339 in UTC with milliseconds, so that lines of several hosts sort as text.
struct UtcMillis;

impl FormatTime for UtcMillis {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{:.3}", Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn filters() {
        for text in ["info", "", "  ", "warn,proxy=trace", "off"] {
            assert!(parse_filter(text).is_ok(), "{text:?}");
        }
        let error = parse_filter("proxy=loud").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("WEIR_LOG is `proxy=loud`; use error"),
            "{error}"
        );
    }

    #[test]
    fn formats() {
        assert_eq!(parse_format("").unwrap(), Format::Auto);
        assert_eq!(parse_format(" json ").unwrap(), Format::Json);
        let error = parse_format("xml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "WEIR_LOG_FORMAT is `xml`; use text, json or auto"
        );
    }

    #[test]
    fn text_without_a_terminal_has_no_colours() {
        let line = logged(Format::Text, false);
        assert!(
            line.ends_with("INFO service::telemetry::tests: listening port=1344\n"),
            "{line}"
        );
        assert!(!line.contains('\x1b'), "{line}");
        let time = line.split(' ').next().unwrap();
        assert_eq!(time.len(), "2026-01-02T03:04:05.678Z".len(), "{line}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        for (format, terminal) in [(Format::Auto, false), (Format::Json, true)] {
            let line = logged(format, terminal);
            assert!(line.starts_with("{\"timestamp\":\"2"), "{line}");
            assert!(
                line.contains("\"message\":\"listening\",\"port\":1344"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_terminal_gets_text() {
        assert!(logged(Format::Auto, true).contains('\x1b'));
    }

    fn logged(format: Format, terminal: bool) -> String {
        let sink = Sink::default();
        let written = Arc::clone(&sink.0);
        let filter = parse_filter("info").unwrap();
        let subscriber = subscriber(filter, format, terminal, move || sink.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 1344, "listening");
            tracing::debug!("not logged");
        });
        let bytes = written.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut sink = self.0.lock().map_err(|_| io::Error::other("poisoned"))?;
            sink.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
