use proptest::prelude::*;

use super::*;
use crate::NormalUri;

#[test]
fn prefixes_gain_no_slash() {
    prefix("http://www.example.co", "http://www.example.co");
    prefix("http://www.example.com/", "http://www.example.com/");
    prefix("HTTPS://WWW.Example.co", "https://www.example.co");
    prefix("http://a.example/b", "http://a.example/b");
    prefix("http://a.example/b/", "http://a.example/b/");
    prefix("http://a.example/b?c=%41", "http://a.example/b?c=A");
    prefix("http://a.example?c", "http://a.example/?c");
    prefix("http://a.example#c", "http://a.example");
}

#[test]
fn a_port_ends_the_host() {
    prefix("http://a.example:80/x", "http://a.example/x");
    prefix("http://a.example:80", "http://a.example/");
    prefix("https://a.example:443", "https://a.example/");
    prefix("http://a.example:8080", "http://a.example:8080");
}

#[test]
fn paths_of_prefixes_are_normalised() {
    prefix("http://a.example/x/../b%2fc//d", "http://a.example/b/c/d");
    prefix("http://a.example/x/..", "http://a.example/");
    prefix("http://a.example/%7e", "http://a.example/~");
    prefix("http://a.example/.", "http://a.example/.");
    prefix("http://a.example/x/.", "http://a.example/x/.");
}

#[test]
fn unfinished_hosts() {
    prefix("http://www.example.", "http://www.example.");
    prefix("http://10.1.", "http://10.1.");
    prefix("http://10.1", "http://10.1");
    prefix("http://10.1/", "http://10.0.0.1/");
    prefix("http://10.1.2.3", "http://10.1.2.3");
    prefix("http://10.1.2.3.", "http://10.1.2.3");
    prefix("http://3279880203", "http://195.127.0.11");
    prefix("http://[2001:DB8::1]", "http://[2001:db8::1]");
    assert!(ends_in_host("http://www.example.co"));
    assert!(ends_in_host("http://10.1."));
    assert!(!ends_in_host("http://www.example.co/"));
    assert!(!ends_in_host("http://www.example.co:8080"));
    assert!(!ends_in_host("http://[2001:db8::1]"));
}

#[test]
fn domains() {
    domain("Kids.Example.", "kids.example");
    domain(".kids.example", "kids.example");
    domain(" kids.example ", "kids.example");
    domain("bücher.example", "xn--bcher-kva.example");
    domain("example", "example");
    domain("9.9.9.9", "9.9.9.9");
    domain("2001:DB8::1", "[2001:db8::1]");
    domain("[2001:DB8::1]", "[2001:db8::1]");
    domain("::ffff:9.9.9.9", "9.9.9.9");
}

#[test]
fn what_is_no_entry_says_what_is_accepted() {
    refuse(
        "kids.example/games",
        "a domain has no path; for a path write the scheme too",
    );
    refuse(
        "kids.example:8080",
        "a domain has no port, it covers all; for one port write the scheme too",
    );
    refuse("me@kids.example", "a domain has no user or password");
    refuse(
        "*.kids.example",
        "a domain covers its subdomains; write it without `*`",
    );
    refuse("", "the host is empty");
    refuse("http://", "the host is empty");
    refuse(
        "kids example",
        "`kids example` is not a host name or an IP address",
    );
    refuse(
        "http://kids.example:http/",
        "`http` is not a port; use 0 to 65535",
    );
    refuse(
        "ftp://kids.example/",
        "scheme `ftp` is not http or https; an absolute URI begins with `http://` or `https://`",
    );
    assert_eq!(
        Entry::parse("a/b").unwrap_err().to_string(),
        "`a/b` is no list entry; use a URI prefix such as `http://host.example/path` \
         or a domain such as `host.example`"
    );
}

#[track_caller]
fn prefix(text: &str, expected: &str) {
    let entry = Entry::parse(text).unwrap();
    assert!(matches!(entry, Entry::Prefix(_)), "{text}");
    assert_eq!(entry.as_str(), expected, "{text}");
    assert_eq!(Entry::parse(expected).unwrap(), entry, "{text}");
}

#[track_caller]
fn domain(text: &str, expected: &str) {
    let entry = Entry::parse(text).unwrap();
    assert!(matches!(entry, Entry::Domain(_)), "{text}");
    assert_eq!(entry.as_str(), expected, "{text}");
    assert_eq!(Entry::parse(expected).unwrap(), entry, "{text}");
}

#[track_caller]
fn refuse(text: &str, because: &str) {
    let fault = Entry::parse(text).unwrap_err();
    assert_eq!(fault.text, text);
    assert_eq!(fault.source.to_string(), because, "{text}");
}

fn ends_in_host(text: &str) -> bool {
    Prefix::parse(text).unwrap().ends_in_host()
}

proptest! {
    #[test]
    fn entries_are_stable(text in "(https?://)?[a-bA1.%2e\\[:\\]]{1,8}(/[a./%2;?\\\\]{0,10})?") {
        if let Ok(entry) = Entry::parse(&text) {
            prop_assert_eq!(Entry::parse(entry.as_str()), Ok(entry));
        }
    }

    #[test]
    fn a_uri_in_normal_form_is_its_own_prefix(text in "http://[ab.]{1,6}(:8[0-9])?/[ab./;?%2]{0,10}") {
        if let Ok(uri) = NormalUri::parse(text.as_bytes()) {
            let prefix = Prefix::parse(uri.as_str()).unwrap();
            prop_assert_eq!(prefix.as_str(), uri.as_str());
        }
    }
}
