use proptest::prelude::*;

use super::*;
use crate::{HOST_LEN_MAX, LABEL_LEN_MAX};

#[test]
fn schemes() {
    check("http://a.example/", "http://a.example/");
    check("HTTPS://a.example/", "https://a.example/");
    refuse("ftp://a.example/", &InvalidUri::Scheme("ftp".into()));
    refuse("a.example/", &InvalidUri::Scheme(String::new()));
    refuse("", &InvalidUri::Scheme(String::new()));
    refuse("mailto:x@a.example", &InvalidUri::Scheme("mailto".into()));
}

#[test]
fn surroundings_are_removed_as_browsers_do() {
    check("  http://a.example/x \u{0}\n", "http://a.example/x");
    check("\u{1}\u{1f}http://a.example/x", "http://a.example/x");
    check("ht\ttp://a.ex\nample/x\ry", "http://a.example/xy");
    check("http://a.example/ x", "http://a.example/%20x");
}

#[test]
fn slashes_after_the_scheme() {
    check("http:a.example", "http://a.example/");
    check("http:/a.example", "http://a.example/");
    check("http:////a.example//", "http://a.example/");
    check(r"http:\\a.example\x", "http://a.example/x");
    check(r"http:\/a.example/x", "http://a.example/x");
    refuse("http://", &InvalidUri::HostEmpty);
    refuse("http://?x", &InvalidUri::HostEmpty);
    refuse("http:///#x", &InvalidUri::HostEmpty);
}

#[test]
fn the_authority_ends_where_browsers_end_it() {
    check("http://bad.example?x", "http://bad.example/?x");
    check("http://bad.example#x", "http://bad.example/");
    check(
        r"http://bad.example\@good.example/",
        "http://bad.example/@good.example/",
    );
    check("http://good.example@bad.example/", "http://bad.example/");
    check("http://u:p@x@bad.example/", "http://bad.example/");
    check("http://good.example%2f@bad.example/", "http://bad.example/");
    check(
        "http://good.example:80@bad.example:81/",
        "http://bad.example:81/",
    );
    check("http://@bad.example/", "http://bad.example/");
    refuse("http://good.example@/", &InvalidUri::HostEmpty);
}

#[test]
fn ports() {
    check("http://a.example:80/x", "http://a.example/x");
    check("https://a.example:443/x", "https://a.example/x");
    check("https://a.example:80/", "https://a.example:80/");
    check("http://a.example:443/", "http://a.example:443/");
    check("http://a.example:/x", "http://a.example/x");
    check("http://a.example:00080/x", "http://a.example/x");
    check("http://a.example:0/x", "http://a.example:0/x");
    check("http://a.example:65535/x", "http://a.example:65535/x");
    check("http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/");
    refuse("http://a.example:65536/", &InvalidUri::Port("65536".into()));
    refuse("http://a.example:+80/", &InvalidUri::Port("+80".into()));
    refuse("http://a.example:80:80/", &InvalidUri::Port("80:80".into()));
    refuse("http://a.example:%38/", &InvalidUri::Port("%38".into()));
}

#[test]
fn host_names() {
    check("http://A.EXAMPLE/", "http://a.example/");
    check("http://a.example./", "http://a.example/");
    check("http://a.example.:80/", "http://a.example/");
    check("http://a.example../", "http://a.example/");
    check("http://..a...example../", "http://a.example/");
    check("http://b%61d%2Eexample/", "http://bad.example/");
    check("http://%2562ad.example/", "http://bad.example/");
    check("http://my_host.example/", "http://my_host.example/");
    check("http://_dmarc.-a-.example/", "http://_dmarc.-a-.example/");
    check("http://localhost/", "http://localhost/");
    check("http://a.1x/", "http://a.1x/");
    invalid_host("http://a b.example/");
    invalid_host("http://a%20b.example/");
    invalid_host("http://a%00.example/");
    invalid_host("http://a%2fb.example/");
    invalid_host("http://a%3ab.example/");
    invalid_host("http://a%40b.example/");
    invalid_host("http://a%zz.example/");
    invalid_host("http://a<b.example/");
    invalid_host("http://a^b.example/");
    invalid_host("http://%ff.example/");
    refuse("http://./", &InvalidUri::HostEmpty);
    refuse("http://%2e%2E/", &InvalidUri::HostEmpty);
}

#[test]
fn international_names() {
    check("http://bücher.example/", "http://xn--bcher-kva.example/");
    check(
        "http://B%C3%9CCHER.example/",
        "http://xn--bcher-kva.example/",
    );
    check(
        "http://XN--BCHER-KVA.example/",
        "http://xn--bcher-kva.example/",
    );
    check("http://blocked。example/", "http://blocked.example/");
    check("http://blocked．example｡/", "http://blocked.example/");
    check("http://blocked.。example/", "http://blocked.example/");
    check("http://ｂｌｏｃｋｅｄ.example/", "http://blocked.example/");
    check("http://bl%C2%ADocked.example/", "http://blocked.example/");
    check("http://bl\u{200b}ocked.example/", "http://blocked.example/");
    check("http://faß.example/", "http://xn--fa-hia.example/");
    invalid_host("http://a\u{2100}b.example/");
    invalid_host("http://a\u{ff1a}b.example/");
    invalid_host("http://a\u{2a74}b.example/");
    invalid_host("http://xn--a.example/");
    invalid_host("http://xn--.example/");
}

#[test]
fn a_joiner_is_never_dropped() {
    // It is either part of another name, or refused.
    let joined = NormalUri::parse("http://bl\u{200d}ocked.example/".as_bytes());
    assert!(joined.is_err() || joined.unwrap().host() != "blocked.example");
}

#[test]
fn ipv4_in_any_spelling() {
    for spelling in [
        "9.9.9.9",
        "151587081",
        "0x09090909",
        "0x9.9.2313",
        "011.9.0x909",
        "9.9.9.9.",
        "9.9..9.9",
        "%39.9.9.9",
        "９.9.9.9",
        "9。9。9。9",
        "[::ffff:9.9.9.9]",
        "[::FFFF:909:909]",
        "[64:ff9b::9.9.9.9]",
        "0X9.011.0x9.9",
    ] {
        check(&format!("http://{spelling}/"), "http://9.9.9.9/");
    }
    check("http://0/", "http://0.0.0.0/");
    check("http://0x/", "http://0.0.0.0/");
    check("http://1.2/", "http://1.0.0.2/");
    check("http://4294967295/", "http://255.255.255.255/");
    invalid_host("http://4294967296/");
    invalid_host("http://276.2.3/");
    invalid_host("http://1.2.3.256/");
    invalid_host("http://1.2.3.4.5/");
    invalid_host("http://a.example.1/");
    invalid_host("http://1.2.3.0x/x".replace("0x/x", "09/").as_str());
}

#[test]
fn ipv6_has_one_spelling() {
    check("http://[2001:0DB8:0:0::1]/", "http://[2001:db8::1]/");
    check(
        "http://[2001:db8:0:1:0:0:0:1]/",
        "http://[2001:db8:0:1::1]/",
    );
    check("http://[1:0:0:2:0:0:3:4]/", "http://[1::2:0:0:3:4]/");
    check("http://[1:0:3:4:5:6:7:8]/", "http://[1:0:3:4:5:6:7:8]/");
    check("http://[::]/", "http://[::]/");
    check(
        "http://[64:ff9b:1::9.9.9.9]/",
        "http://[64:ff9b:1::909:909]/",
    );
    invalid_host("http://[fe80::1%25eth0]/");
    invalid_host("http://[::1/");
    invalid_host("http://[::1]x/");
    invalid_host("http://[]/");
    refuse("http://::1/", &InvalidUri::Port(":1".into()));
}

#[test]
fn names_over_the_limits_of_dns() {
    let label = "a".repeat(LABEL_LEN_MAX);
    check(&format!("http://{label}/"), &format!("http://{label}/"));
    invalid_host(&format!("http://{label}a/"));
    invalid_host(&format!("http://{label}a.!/"));
    let name = [label.as_str(), &label, &label, &"b".repeat(61)].join(".");
    assert_eq!(name.len(), HOST_LEN_MAX);
    check(&format!("http://{name}/"), &format!("http://{name}/"));
    check(&format!("http://{name}./"), &format!("http://{name}/"));
    invalid_host(&format!("http://{name}b/"));
    invalid_host(&format!("http://{}/", "ü".repeat(60)));
    invalid_host(&format!("http://{}/", "%C2%AD".repeat(100_000)));
}

#[test]
fn escapes_in_the_path() {
    check("http://a.example/%7Esands/", "http://a.example/~sands/");
    check("http://a.example/%2562ad", "http://a.example/bad");
    check(
        "http://a.example/%62ad?x=%zz",
        "http://a.example/bad?x=%25zz",
    );
    check("http://a.example/%zz", "http://a.example/%25zz");
    check("http://a.example/b%2fc", "http://a.example/b/c");
    check("http://a.example/b%5cc", "http://a.example/b/c");
    check("http://a.example/b%3Fc%23d", "http://a.example/b%3Fc%23d");
    check(
        "http://a.example/%00%7f%e2%82%ac",
        "http://a.example/%00%7F%E2%82%AC",
    );
    check(
        "http://a.example/€\"<>^`{|}",
        "http://a.example/%E2%82%AC\"<>^`{|}",
    );
}

#[test]
fn dot_segments_and_runs_of_slashes() {
    check("http://a.example/x/../bad", "http://a.example/bad");
    check("http://a.example/x/%2e%2E/bad", "http://a.example/bad");
    check("http://a.example/x/.%2e/bad", "http://a.example/bad");
    check("http://a.example/x%2f..%2fbad", "http://a.example/bad");
    check("http://a.example/%252e%252e/bad", "http://a.example/bad");
    check("http://a.example/../../bad", "http://a.example/bad");
    check("http://a.example/./bad/.", "http://a.example/bad/");
    check("http://a.example/bad/..", "http://a.example/");
    check("http://a.example/bad/x/..", "http://a.example/bad/");
    check("http://a.example/..bad/...", "http://a.example/..bad/...");
    check("http://a.example//bad///", "http://a.example/bad/");
    check("http://a.example/x//../bad", "http://a.example/x/bad");
    check(r"http://a.example\x\..\bad", "http://a.example/bad");
    check("http://a.example/.", "http://a.example/");
    check("http://a.example//", "http://a.example/");
}

#[test]
fn queries() {
    check("http://a.example/?", "http://a.example/?");
    check(
        "http://a.example/?a=%41%2d%7e%2e",
        "http://a.example/?a=A-~.",
    );
    check(
        "http://a.example/?a=%2f%3d%c3",
        "http://a.example/?a=%2F%3D%C3",
    );
    check("http://a.example/?%2541", "http://a.example/?%2541");
    check("http://a.example/?%%34%31", "http://a.example/?%2541");
    check("http://a.example/?100%", "http://a.example/?100%25");
    check(
        "http://a.example/? \u{7f}é",
        "http://a.example/?%20%7F%C3%A9",
    );
    check("http://a.example/?a//../b?c", "http://a.example/?a//../b?c");
    check("http://a.example/?a#b?c", "http://a.example/?a");
}

#[test]
fn parts() {
    let uri = NormalUri::parse(b"https://A.example:8443/p?q").unwrap();
    assert_eq!(uri.scheme(), Scheme::Https);
    assert_eq!(uri.host(), "a.example");
    assert_eq!(uri.authority(), "a.example:8443");
    assert_eq!(uri.port(), 8443);
    assert_eq!(uri.path_and_query(), "/p?q");
    assert_eq!(uri.host_end(), "https://a.example".len());
    assert_eq!(uri.origin_len(), "https://a.example:8443/".len());
    assert_eq!(uri.address(), None);
    let address = |text: &[u8]| NormalUri::parse(text).unwrap().address();
    assert_eq!(address(b"http://9.9.9.9:1/"), Some([9, 9, 9, 9].into()));
    assert_eq!(address(b"http://[::1]/"), Some("::1".parse().unwrap()));
}

#[test]
fn the_length_is_limited() {
    let longest = format!("http://a.example/{}", "é".repeat((URI_LEN_MAX - 17) / 2));
    assert!(NormalUri::parse(longest.as_bytes()).is_ok());
    refuse(&(longest + "xx"), &InvalidUri::TooLong);
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let uri = NormalUri::parse(text.as_bytes()).unwrap();
    assert_eq!(uri.as_str(), expected, "{text}");
    let again = NormalUri::parse(uri.as_str().as_bytes()).unwrap();
    assert_eq!(again, uri, "the normal form is stable");
}

#[track_caller]
fn refuse(text: &str, expected: &InvalidUri) {
    assert_eq!(&NormalUri::parse(text.as_bytes()).unwrap_err(), expected);
}

#[track_caller]
fn invalid_host(text: &str) {
    let fault = NormalUri::parse(text.as_bytes()).unwrap_err();
    assert!(matches!(fault, InvalidUri::Host(_)), "{text}: {fault}");
}

/// URIs made of what URIs are made of, and of what attackers add.
fn like_uris() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("\\"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2F"),
        Just("%5c"),
        Just("%"),
        Just("%25"),
        Just("25"),
        Just("2"),
        Just("e"),
        Just("?"),
        Just("%3f"),
        Just("#"),
        Just("%23"),
        Just(";"),
        Just("%3b"),
        Just("%00"),
        Just("\0"),
        Just("@"),
        Just(":"),
        Just("80"),
        Just("a"),
        Just("B"),
        Just("xn--"),
        Just("é"),
        Just("。"),
        Just("\u{ad}"),
        Just("\u{200d}"),
        Just("[::1]"),
        Just("0x"),
        Just("9"),
        Just(" "),
        Just("\t"),
    ];
    (
        prop_oneof![Just("http://"), Just("https:"), Just("http://a.example/")],
        proptest::collection::vec(piece, 0..24),
    )
        .prop_map(|(scheme, pieces)| scheme.to_owned() + &pieces.concat())
}

fn is_stable(text: &[u8]) -> Result<(), TestCaseError> {
    let Ok(uri) = NormalUri::parse(text) else {
        return Ok(());
    };
    let again = NormalUri::parse(uri.as_str().as_bytes());
    prop_assert_eq!(again.as_ref(), Ok(&uri));
    prop_assert!(uri.as_str().bytes().all(|b| b.is_ascii_graphic()));
    prop_assert!(uri.host_end() < uri.origin_len());
    prop_assert!(uri.path_and_query().starts_with('/'));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_normal_form_of_any_bytes_is_stable(
        tail in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        is_stable(&tail)?;
        is_stable(&[b"http://", &tail[..]].concat())?;
        is_stable(&[b"http://a.example/", &tail[..]].concat())?;
    }

    #[test]
    fn the_normal_form_of_what_attackers_write_is_stable(text in like_uris()) {
        is_stable(text.as_bytes())?;
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one(
        text in "https?://[a-c.x0-9_-]{1,8}/[a-c/.?;%:=]{0,10}",
    ) {
        if let Some(short) = NormalUri::already_normal(text.as_bytes()) {
            // A tab sends it the long way.
            let long = NormalUri::parse(format!("{text}\t").as_bytes());
            prop_assert_eq!(long, Ok(short.clone()));
            prop_assert_eq!(short.as_str(), text);
        }
    }
}
