use std::net::Ipv4Addr;

use uri::{Domain, InvalidUri, NormalUri, Prefix, Readings, Scheme};
use url::{Host, Url};

/// The text of a URI: its normal form is stable, so is every reading; lists that name it find it;
/// and its host is the one that browsers read.
pub fn normal_form(bytes: &[u8]) {
    let typed = Readings::parse_typed(bytes);
    let parsed = Readings::parse(bytes);
    if let Ok(readings) = &parsed {
        assert_eq!(typed.as_ref(), Ok(readings), "as people type it");
    }
    assert_eq!(
        NormalUri::parse(bytes).as_ref(),
        parsed.as_ref().map(Readings::normal),
    );
    assert_eq!(
        NormalUri::parse_typed(bytes).as_ref(),
        typed.as_ref().map(Readings::normal),
    );
    let normal = parsed.as_ref().ok().map(Readings::normal);
    agrees_with_browsers(bytes, normal);
    for readings in typed.iter().chain(&parsed) {
        is_stable(readings.normal());
        lists_find(readings.normal());
        readings.others().iter().for_each(is_read_again);
    }
    split_as_in_a_request(bytes);
}

fn is_stable(uri: &NormalUri) {
    let again = NormalUri::parse(uri.as_str().as_bytes());
    assert_eq!(again.as_ref(), Ok(uri));
    is_well_formed(uri);
}

/// A reading beside the normal form is one of the readings of itself.
fn is_read_again(uri: &NormalUri) {
    is_well_formed(uri);
    let again = Readings::parse(uri.as_str().as_bytes()).unwrap();
    let found = again.iter().any(|reading| reading == uri);
    assert!(found || !again.are_all(), "{uri} is not in {again:?}");
}

fn is_well_formed(uri: &NormalUri) {
    assert!(uri.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    let host_and_port = match (uri.port(), uri.scheme().default_port()) {
        (port, usual) if port == usual => uri.host().to_owned(),
        (port, _) => format!("{}:{port}", uri.host()),
    };
    assert_eq!(uri.authority(), host_and_port);
    let parts = [
        uri.scheme().as_str(),
        "://",
        uri.authority(),
        uri.path_and_query(),
    ];
    assert_eq!(uri.as_str(), parts.concat());
    assert!(uri.path_and_query().starts_with('/'));
    assert_eq!(
        uri.origin_len() + uri.path_and_query().len(),
        uri.as_str().len() + 1
    );
}

/// An author who copies the beginning of a URI into a list means that URI.
fn lists_find(uri: &NormalUri) {
    let text = uri.as_str();
    for end in (uri.origin_len()..=text.len()).rev().take(16) {
        let cut = &text[..end];
        // Half an escape is a percent sign to whoever reads it.
        let cuts_an_escape = (1..3).any(|back| cut.as_bytes().get(end - back) == Some(&b'%'));
        if !cuts_an_escape || end == text.len() {
            let prefix = Prefix::parse(cut).unwrap();
            assert!(text.starts_with(prefix.as_str()), "{prefix:?} of {cut}");
        }
    }
    // A domain in a list covers subdomains without a star.
    if !uri.host().contains('*') {
        assert_eq!(Domain::parse(uri.host()).unwrap().as_str(), uri.host());
    }
}

/// Where both the `url` crate and we find a host it is the same, but for dots at the ends or side
/// by side, and for IPv6 addresses that stand for IPv4 ones.
fn agrees_with_browsers(bytes: &[u8], ours: Option<&NormalUri>) {
    let theirs = str::from_utf8(bytes)
        .ok()
        .and_then(|it| Url::parse(it).ok());
    let theirs = theirs.filter(|url| matches!(url.scheme(), "http" | "https"));
    let (Some(theirs), Some(ours)) = (theirs, ours) else {
        return;
    };
    assert_eq!(ours.scheme().as_str(), theirs.scheme());
    assert_eq!(Some(ours.port()), theirs.port_or_known_default());
    let host = match theirs.host().unwrap() {
        // What is a name for the dots behind it may be an address without them.
        Host::Domain(name) => {
            let labels: Vec<&str> = name.split('.').filter(|it| !it.is_empty()).collect();
            Host::parse(&labels.join(".")).unwrap()
        }
        Host::Ipv4(address) => Host::Ipv4(address),
        Host::Ipv6(address) => Host::Ipv6(address),
    };
    let host = match &host {
        Host::Ipv6(address) => match (address.segments(), address.to_ipv4_mapped()) {
            (_, Some(mapped)) => mapped.to_string(),
            ([0x64, 0xff9b, 0, 0, 0, 0, high, low], _) => {
                Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).to_string()
            }
            (_, None) => host.to_string(),
        },
        Host::Domain(_) | Host::Ipv4(_) => host.to_string(),
    };
    assert_eq!(ours.host(), host);
}

/// An authority and a target are the URI that they make together.
fn split_as_in_a_request(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'/');
    let (authority, target) = bytes.split_at(at.unwrap_or(bytes.len()));
    let split = Readings::of_request(Scheme::Http, authority, target, None);
    let Ok(split) = split else {
        return;
    };
    let is_a_list = split.normal().host().contains(',');
    assert!(!is_a_list, "{} is two hosts to some", split.normal());
    is_stable(split.normal());
    split.others().iter().for_each(is_read_again);
    let text = [b"http://", bytes].concat();
    // In text, unlike in a request line, browsers drop what is blank.
    if !bytes.iter().any(|byte| *byte <= b' ') {
        assert_eq!(Readings::parse(&text), Ok(split.clone()));
    }
    let elsewhere = Readings::of_request(Scheme::Http, authority, target, Some(8080)).unwrap();
    assert_eq!(elsewhere.normal().port(), 8080);
    assert_eq!(elsewhere.normal().host(), split.normal().host());
    match Readings::of_sni(split.normal().host().as_bytes(), 443) {
        Ok(sni) => assert_eq!(sni.normal().host(), split.normal().host()),
        Err(InvalidUri::TooLong) => {}
        Err(other) => panic!("{other}"),
    }
}
