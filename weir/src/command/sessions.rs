//! `weir sessions`: asks about live sessions of a gateway that runs, and changes them.

use std::io::{self, Write};

use feeds::api;
use hyper::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::written::visible;
use serde_json::{Map, Value};
use service::exit;
use sessions::PAGE_MAX;

use crate::Failure;
use crate::cli::Sessions;
use crate::cli::sessions::{Endpoint, List, One, Put};
use crate::files::Files;
use crate::gateway::{Gateway, NO_ADMIN, Question};

/// Bytes of a file of tokens at most.
const TOKEN_FILE_LEN_MAX: usize = 4_096;

/// What is written as an escape in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b':').remove(b'/');

/// What is printed of a session, in this order.
const KEYS: [&str; 10] = [
    "ranges", "profile", "origin", "msisdn", "imsi", "apn", "nas", "id", "changed", "expires",
];

/// Those of a line of the list.
const COLUMNS: usize = 8;

/// Runs one of the commands.
pub(crate) fn run(command: &Sessions, out: &mut dyn Write) -> Result<u8, Failure> {
    match command {
        Sessions::List(options) => list(options, out)?,
        Sessions::Get(options) => {
            let session = Asker::new(&options.endpoint)?.one(Method::GET, options, None)?;
            print(&session, &options.endpoint, out)?;
        }
        Sessions::Put(options) => {
            let one = &options.one;
            let body = body(options).to_string();
            let session = Asker::new(&one.endpoint)?.one(Method::PUT, one, Some(body))?;
            print(&session, &one.endpoint, out)?;
        }
        Sessions::Delete(options) => {
            Asker::new(&options.endpoint)?.one(Method::DELETE, options, None)?;
        }
    }
    Ok(exit::SUCCESS)
}

/// Asks one gateway with one token.
struct Asker {
    gateway: Gateway,
    token: String,
}

impl Asker {
    fn new(endpoint: &Endpoint) -> Result<Self, Failure> {
        Ok(Self {
            gateway: Gateway::at(&endpoint.admin)?,
            token: token(endpoint)?,
        })
    }

    fn one(&self, method: Method, one: &One, json: Option<String>) -> Result<Value, Failure> {
        let range = utf8_percent_encode(&one.range, ESCAPED);
        self.ask(method, format!("{}/{range}", api::PATH), json)
    }

    /// Returns what is answered; null if nothing is.
    fn ask(&self, method: Method, target: String, json: Option<String>) -> Result<Value, Failure> {
        let (status, text) = self.gateway.ask(Question {
            method,
            target,
            token: Some(&self.token),
            json,
        })?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let Ok(answer) = serde_json::from_str::<Value>(&text) else {
            return Err(self.no_api(status, &text));
        };
        match (status, text_of(&answer, "detail")) {
            (StatusCode::OK | StatusCode::CREATED, _) => Ok(answer),
            (StatusCode::BAD_REQUEST, Some(detail)) => Err(Failure::Usage(visible(detail))),
            (_, Some(detail)) => Err(Failure::Refused(visible(detail))),
            (_, None) => Err(self.gateway.failed(NO_ADMIN.into())),
        }
    }

    fn no_api(&self, status: StatusCode, text: &str) -> Failure {
        let first = visible(text.lines().next().unwrap_or_default());
        match status {
            StatusCode::NOT_FOUND => Failure::Refused(
                "the gateway has no admin API for sessions; add `sessions.admin` to its \
                 configuration"
                    .to_owned(),
            ),
            StatusCode::OK => self.gateway.failed(NO_ADMIN.into()),
            status => {
                let text = format!("it answers with status {status}: {first}");
                self.gateway.failed(text.into())
            }
        }
    }
}

/// Prints pages as they come, so that a long list takes no memory.
fn list(options: &List, out: &mut dyn Write) -> Result<(), Failure> {
    let asker = Asker::new(&options.endpoint)?;
    let first = match options.client {
        Some(client) => format!("{}?client={client}", api::PATH),
        None => format!("{}?count={PAGE_MAX}", api::PATH),
    };
    let mut target = first.clone();
    loop {
        let page = asker.ask(Method::GET, target, None)?;
        let sessions = page.get("sessions").and_then(Value::as_array);
        for session in sessions.into_iter().flatten() {
            match options.endpoint.json {
                true => writeln!(out, "{session}")?,
                false => writeln!(out, "{}", line(session))?,
            }
        }
        let Some(next) = text_of(&page, "next") else {
            return Ok(());
        };
        target = format!("{first}&from={}", utf8_percent_encode(next, ESCAPED));
    }
}

fn print(session: &Value, endpoint: &Endpoint, out: &mut dyn Write) -> io::Result<()> {
    if endpoint.json {
        return writeln!(out, "{session}");
    }
    for key in KEYS {
        if let Some(value) = session.get(key) {
            writeln!(out, "{key:<17} {}", shown(Some(value)))?;
        }
    }
    Ok(())
}

fn line(session: &Value) -> String {
    let columns = KEYS.iter().take(COLUMNS);
    let columns: Vec<String> = columns.map(|key| shown(session.get(*key))).collect();
    columns.join("\t")
}

/// Writes a value fit for a terminal.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => visible(text),
        Some(Value::Array(parts)) => {
            let parts: Vec<String> = parts.iter().map(|part| shown(Some(part))).collect();
            parts.join(" ")
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            "-".to_owned()
        }
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn body(options: &Put) -> Value {
    let keys = [
        ("profile", &options.profile),
        ("msisdn", &options.msisdn),
        ("imsi", &options.imsi),
        ("apn", &options.apn),
    ];
    let given = keys.into_iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        Some((key.to_owned(), Value::from(value.as_str())))
    });
    Value::Object(given.collect::<Map<_, _>>())
}

fn token(endpoint: &Endpoint) -> Result<String, Failure> {
    let path = &endpoint.token_file;
    let unusable = |source| Failure::File {
        path: path.clone(),
        hint: "give a file with a token of `sessions.admin`",
        source,
    };
    let text = Files::Disk.text(path, TOKEN_FILE_LEN_MAX);
    let text = text.map_err(|wrong| unusable(wrong.into()))?;
    let token = api::first(&text).map_err(|wrong| unusable(wrong.into()))?;
    Ok(token.to_owned())
}
