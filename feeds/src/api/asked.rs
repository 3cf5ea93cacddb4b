//! What a request asks for: method, path and query.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Method;
use ipnet::{IpNet, Ipv4Net};
use percent_encoding::percent_decode_str;
use sessions::PAGE_MAX;

use super::PATH;
use super::refusal::{Refusal, quote};

/// Sessions on a page unless `count` says otherwise.
pub const COUNT_DEFAULT: usize = 100;

/// What a path is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    /// All sessions.
    All,
    /// The session of exactly this range.
    One(IpNet),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// A page of the list.
    Page {
        /// Where it begins.
        from: Option<u64>,
        /// Sessions at most.
        count: usize,
    },
    /// The session behind an address.
    Client(IpAddr),
    /// One session.
    Get(IpNet),
    /// One session is to be as the body says.
    Put(IpNet),
    /// One session is to end.
    Delete(IpNet),
}

impl Subject {
    /// Reads the path, whose escapes stand for what they escape: a range may have its slash
    /// either way.
    pub(super) fn of(path: &str) -> Result<Self, Refusal> {
        let Some(range) = path.strip_prefix(PATH).filter(|rest| !rest.is_empty()) else {
            return Ok(Self::All);
        };
        let range = decoded(range.strip_prefix('/').unwrap_or(range));
        range_of(&range).map(Self::One)
    }
}

impl Asked {
    /// Reads the method and the query.
    pub(super) fn new(
        method: &Method,
        subject: Subject,
        query: Option<&str>,
    ) -> Result<Self, Refusal> {
        let asked = match (subject, method) {
            (Subject::All, &Method::GET | &Method::HEAD) => return list(query.unwrap_or_default()),
            (Subject::All, _) => return Err(Refusal::Method("GET or HEAD")),
            (Subject::One(range), &Method::GET | &Method::HEAD) => Self::Get(range),
            (Subject::One(range), &Method::PUT) => Self::Put(range),
            (Subject::One(range), &Method::DELETE) => Self::Delete(range),
            (Subject::One(_), _) => return Err(Refusal::Method("GET, HEAD, PUT or DELETE")),
        };
        match query {
            None | Some("") => Ok(asked),
            Some(_) => Err(Refusal::Parameters),
        }
    }
}

fn list(query: &str) -> Result<Asked, Refusal> {
    let (mut from, mut count, mut client) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, place) = match &*decoded(key) {
            "from" => ("from", &mut from),
            "count" => ("count", &mut count),
            "client" => ("client", &mut client),
            other => return Err(Refusal::Parameter(quote(other))),
        };
        if place.replace(decoded(value)).is_some() {
            return Err(Refusal::Twice(key));
        }
    }
    match (client, from, count) {
        (Some(client), None, None) => {
            let address = client.parse::<IpAddr>();
            let address = address.map_err(|_| Refusal::NotAnAddress(quote(&client)))?;
            Ok(Asked::Client(address.to_canonical()))
        }
        (Some(_), _, _) => Err(Refusal::NotAlone),
        (None, from, count) => Ok(Asked::Page {
            from: from.map(|from| place(&from)).transpose()?,
            count: count.map_or(Ok(COUNT_DEFAULT), |count| count_of(&count))?,
        }),
    }
}

fn place(text: &str) -> Result<u64, Refusal> {
    number(text).ok_or_else(|| Refusal::NotAPlace(quote(text)))
}

fn count_of(text: &str) -> Result<usize, Refusal> {
    let count = number(text).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| (1..=PAGE_MAX).contains(count));
    count.ok_or_else(|| Refusal::NotACount(quote(text)))
}

/// Reads digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Reads an address or a prefix. IPv4-mapped ones are IPv4.
fn range_of(text: &str) -> Result<IpNet, Refusal> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let range = text.parse().ok().or_else(address);
    let range: IpNet = range.ok_or_else(|| Refusal::NotARange(quote(text)))?;
    if range != range.trunc() {
        return Err(Refusal::BitsBehind(range, range.trunc()));
    }
    let range = as_ipv4(range);
    match range.prefix_len() {
        0 => Err(Refusal::Everybody(range)),
        _ => Ok(range),
    }
}

fn as_ipv4(range: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = range else {
        return range;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let length = v6.prefix_len().checked_sub(MAPPED_BITS);
    match mapped.zip(length) {
        Some((address, length)) => Ipv4Net::new(address, length).map_or(range, IpNet::V4),
        None => range,
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
