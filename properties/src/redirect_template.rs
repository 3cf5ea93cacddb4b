use percent_encoding::percent_decode;
use policy::{LOCATION_LEN_MAX, RedirectFacts, RedirectTemplate};
use uri::NormalUri;

/// A redirect destination, and what a client can put in its place of codes: four lines, the last
/// with any bytes. The location is one header value and one URI, and only its query differs.
pub fn redirect_template(bytes: &[u8]) {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (template, msisdn, imsi) = (text(), text(), text());
    let facts = RedirectFacts {
        msisdn: &msisdn,
        imsi: &imsi,
        uri: lines.next().unwrap_or_default(),
    };
    let Ok(parsed) = RedirectTemplate::try_from(template.clone()) else {
        return;
    };
    assert_eq!(parsed.as_str(), template);
    let bare = parsed.format(RedirectFacts::default());
    let location = parsed.format(facts);
    for location in [&bare, &location] {
        assert!(location.len() <= LOCATION_LEN_MAX);
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
        escapes_are_whole(location);
    }
    let before = |text: &str| text.split(['?', '#']).next().unwrap().to_owned();
    assert_eq!(before(&location), before(&template));
    let (bare_uri, uri) = (parse(&bare), parse(&location));
    assert_eq!(uri.authority(), bare_uri.authority());
    let path = |uri: &NormalUri| uri.path_and_query().split('?').next().unwrap().to_owned();
    assert_eq!(path(&uri), path(&bare_uri));
    values_are_what_they_were(&template, &location, facts);
}

fn parse(location: &str) -> NormalUri {
    NormalUri::parse(location.as_bytes()).unwrap()
}

fn escapes_are_whole(location: &str) {
    for escape in location.split('%').skip(1) {
        let digits = escape.as_bytes().get(..2);
        let whole = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        assert!(whole, "cut inside an escape: {location}");
    }
}

/// Whoever decodes the query gets the values back, and no further parameters.
fn values_are_what_they_were(template: &str, location: &str, facts: RedirectFacts<'_>) {
    let (Some((_, query)), Some((_, filled))) =
        (template.split_once('?'), location.split_once('?'))
    else {
        return;
    };
    let query = query.split('#').next().unwrap();
    let has_room = location.len() < LOCATION_LEN_MAX - 12;
    if !has_room || filled.contains('#') {
        return;
    }
    let mut parameters = filled.split('&');
    for written in query.split('&') {
        let found = parameters.next().unwrap();
        let value = match written.get(written.len().saturating_sub(2)..) {
            Some("%M") => facts.msisdn.as_bytes(),
            Some("%S") => facts.imsi.as_bytes(),
            Some("%U") => facts.uri,
            Some(_) | None => continue,
        };
        let found: Vec<u8> = percent_decode(found.as_bytes()).collect();
        assert!(found.ends_with(value), "{found:?} for {written}");
    }
    assert_eq!(parameters.next(), None, "a value ended its parameter");
}
