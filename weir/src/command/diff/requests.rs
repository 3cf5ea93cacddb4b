//! Lines of requests: our access log, Squid's, or bare URIs.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};

use clap::ValueEnum;
use jiff::Timestamp;
use policy::AskError;
use policy::written::quote;
use serde::Deserialize;

use super::LINE_LEN_MAX;

/// How requests are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// The access log of `weir proxy`: one JSON object a line
    Weir,
    /// Squid's native access log
    Squid,
    /// One URI a line
    Uris,
}

/// What a line says of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Replayed<'a> {
    /// None: it has none that can be judged.
    pub(crate) uri: Option<Cow<'a, str>>,
    pub(crate) profile: Option<Cow<'a, str>>,
    pub(crate) said: Said<'a>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) destination: Option<IpAddr>,
}

/// What the categorizer said, as far as the line tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Said<'a> {
    /// The line does not tell.
    #[default]
    Unknown,
    /// No category, or it was not asked: the profile that the request had tells which.
    NothingOrUnasked,
    Categories(Vec<Cow<'a, str>>),
    Failed(AskError),
}

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line<'a> {
    Request(Replayed<'a>),
    /// Empty, a comment, or about something that no policy decides.
    Skipped,
    /// No request, and why.
    Bad(String),
}

impl Format {
    /// Tells the format by the first line that says something, without consuming it; nothing of
    /// empty input.
    pub(crate) fn of(lines: &mut impl BufRead) -> io::Result<Option<Self>> {
        let start = lines.fill_buf()?;
        let first = start
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty() && !line.starts_with(b"#"));
        let Some(first) = first else {
            return Ok((!start.is_empty()).then_some(Self::Uris));
        };
        let mut words = first
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let number = |word: &[u8]| {
            let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            word.iter().all(digits)
        };
        Ok(Some(if first.starts_with(b"{") {
            Self::Weir
        } else if words.next().is_some_and(number) && words.next().is_some_and(number) {
            Self::Squid
        } else {
            Self::Uris
        }))
    }

    /// Reads a line.
    pub(crate) fn read(self, line: &[u8]) -> Line<'_> {
        if line.len() > LINE_LEN_MAX {
            return Line::Bad(format!("more than {LINE_LEN_MAX} bytes"));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return Line::Bad("not UTF-8".to_owned());
        };
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Line::Skipped;
        }
        match self {
            Self::Weir => weir(text),
            Self::Squid => squid(text),
            Self::Uris => uri(text),
        }
    }
}

/// The fields of our access log that matter here.
#[derive(Deserialize)]
struct Logged<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    destination: Option<SocketAddr>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    profile: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    icap_failure: Option<Cow<'a, str>>,
    #[serde(borrow)]
    categories: Option<Vec<Text<'a>>>,
}

/// Text that is borrowed where it can be.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn weir(text: &str) -> Line<'_> {
    let logged: Logged<'_> = match serde_json::from_str(text) {
        Ok(logged) => logged,
        Err(error) => return Line::Bad(format!("not a line of the access log: {error}")),
    };
    let Some(kind) = logged.kind else {
        return Line::Bad("not a line of the access log: it has no `kind`".to_owned());
    };
    let source = logged.source.as_deref().unwrap_or_default();
    // What is refused whatever the policy, and what no policy looks at.
    if kind != "decision" || source == "unfiltered" {
        return Line::Skipped;
    }
    let said = match (logged.icap_failure, logged.categories, source) {
        (Some(word), _, _) => AskError::of_word(&word).map(Said::Failed),
        (None, Some(names), _) => Some(Said::Categories(
            names.into_iter().map(|Text(name)| name).collect(),
        )),
        (None, None, "unknown") => Some(Said::NothingOrUnasked),
        (None, None, _) => None,
    };
    Line::Request(Replayed {
        uri: logged.uri,
        profile: logged.profile,
        said: said.unwrap_or_default(),
        time: logged.time.and_then(|time| time.parse().ok()),
        destination: logged.destination.map(|address| address.ip()),
    })
}

/// `time elapsed client code/status bytes method URL …`
fn squid(text: &str) -> Line<'_> {
    let mut words = text.split_ascii_whitespace();
    let (time, method, uri) = (words.next(), words.nth(4), words.next());
    let (Some(time), Some(method), Some(uri)) = (time, method, uri) else {
        return Line::Bad(
            "not a line of Squid's native log: it has fewer than 7 fields".to_owned(),
        );
    };
    let seconds = time.split('.').next().and_then(|it| it.parse().ok());
    let Some(time) = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) else {
        return Line::Bad(format!("`{}` is no time", quote(time)));
    };
    let uri = match method {
        "CONNECT" => Cow::Owned(format!("https://{uri}/")),
        // Squid's own errors about what was no request.
        _ if uri.starts_with("error:") || uri == "-" => return Line::Skipped,
        _ => Cow::Borrowed(uri),
    };
    Line::Request(Replayed {
        uri: Some(uri),
        time: Some(time),
        ..Replayed::default()
    })
}

fn uri(text: &str) -> Line<'_> {
    let uri = text.split_ascii_whitespace().next().unwrap_or_default();
    Line::Request(Replayed {
        uri: Some(Cow::Borrowed(uri)),
        ..Replayed::default()
    })
}
