//! Who is behind a request of `/filter`, and what `/categorize` lets clients keep.

use std::sync::Arc;
use std::time::Duration;

use icap_server::config::{Config, PrefixUnit};
use icap_server::{Content, start};
use sessions::{Directory, Selection, Session};

use crate::filter::{POLICY, with_policy};
use crate::harness::{GET, config, exchange, reqmod, reqmod_of};

#[tokio::test]
async fn the_profile_is_that_of_the_name_else_the_address_else_the_user() {
    let server = start(config(), directory()).await.unwrap();
    let address = server.addresses()[0];
    for (service, fields, profile) in [
        // Base64 of a scheme and a name, base64 of the name alone, the name.
        (
            "/filter",
            "X-Authenticated-User: TG9jYWw6Ly9taWtl\r\n",
            "child",
        ),
        ("/filter", "X-Authenticated-User: bWlrZQ==\r\n", "child"),
        ("/filter", "X-Authenticated-User: mike\r\n", "child"),
        ("/filter", "X-Authenticated-User: MIKE\r\n", "child"),
        (
            "/filter",
            "X-Authenticated-User: V2luTlQ6Ly9TQ0hPT0wvbGVh\r\n",
            "child",
        ),
        ("/filter", "X-Client-Username: mike\r\n", "child"),
        ("/filter", "X-Client-Username: bWlrZQ==\r\n", "child"),
        ("/filter", "X-Client-Username: bob\r\n", "open"),
        // A name that is not known leaves the other.
        (
            "/filter",
            "X-Authenticated-User: bob\r\nX-Client-Username: mike\r\n",
            "child",
        ),
        (
            "/filter",
            "X-Authenticated-User: ann\r\nX-Client-Username: mike\r\n",
            "open",
        ),
        // The address goes before the user, if it has a profile.
        (
            "/filter",
            "X-Client-IP: 10.9.0.1\r\nX-Client-Username: mike\r\n",
            "open",
        ),
        (
            "/filter",
            "X-Client-IP: 10.8.0.1\r\nX-Client-Username: mike\r\n",
            "child",
        ),
        (
            "/filter",
            "X-Client-IP: 10.7.0.1\r\nX-Client-Username: mike\r\n",
            "child",
        ),
        (
            "/filter?profile=open",
            "X-Client-Username: mike\r\n",
            "open",
        ),
    ] {
        let http = "GET http://news.example/ HTTP/1.1\r\n\r\n";
        let answer = exchange(address, reqmod_of(service, fields, http));
        let line = format!("\nX-ICAP-Profile: {profile}\n");
        assert!(answer.contains(&line), "{service} {fields}{answer}");
    }
}

#[tokio::test]
async fn a_redirect_tells_the_numbers_of_the_user() {
    let server = start(config(), directory()).await.unwrap();
    let http = "GET http://old.example/ HTTP/1.1\r\n\r\n";
    let fields = "X-Subscriber-ID: 999\r\nX-Client-Username: mike\r\n";
    let answer = exchange(server.addresses()[0], reqmod_of("/filter", fields, http));
    assert!(answer.contains("?m=111220000001&s=&u="), "{answer}");
    assert!(
        answer.contains("\nX-Response-Info: Redirected\n"),
        "{answer}"
    );
    let desc = "\nX-Response-Desc: on a redirect list of the profile\n";
    assert!(answer.contains(desc), "{answer}");
}

#[tokio::test]
async fn prefixes_and_lifetimes_are_as_configured() {
    for (unit, max_age, lines) in [
        (PrefixUnit::Uri, None, "X-Attribute-Prefix: 21\n"),
        (PrefixUnit::Path, None, "X-Attribute-Prefix: 1\n"),
        (PrefixUnit::Off, None, ""),
        (
            PrefixUnit::Off,
            Some(Duration::from_secs(300)),
            "Cache-Control: max-age=300\n",
        ),
    ] {
        let config = Config {
            prefix_unit: unit,
            max_age,
            ..config()
        };
        let server = start(config, crate::harness::content()).await.unwrap();
        let answer = exchange(server.addresses()[0], reqmod("Allow: 204\r\n", GET));
        let expected =
            format!("ICAP/1.0 204 No Content\nISTag: TAG\nX-Attribute: games, kids\n{lines}\n");
        assert_eq!(answer, expected);
    }
}

fn directory() -> Content {
    let session = |profile: Option<&str>, msisdn: Option<&str>| {
        Arc::new(Session {
            profile: profile.map(Into::into),
            msisdn: msisdn.and_then(sessions::Digits::new),
            ..Session::default()
        })
    };
    let ranges = [
        ("10.9.0.0/16".parse().unwrap(), session(Some("open"), None)),
        ("10.8.0.0/16".parse().unwrap(), session(None, None)),
    ];
    let users = [
        (
            "mike".to_owned(),
            session(Some("child"), Some("111220000001")),
        ),
        ("school/Lea".to_owned(), session(Some("child"), None)),
        ("ann".to_owned(), session(Some("open"), None)),
    ];
    Content {
        sessions: Directory::new(ranges, Selection::default()).with_users(users),
        ..with_policy(POLICY)
    }
}
