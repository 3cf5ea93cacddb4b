//! `sessions.gx`.

use std::time::Duration;

use ::gx::{Capability, Release, Updates};
use diameter::name::{GX_CAPABILITY_LIST, SN_CF_POLICY_ID};
use feeds::gx::Config;
use sessions::Fallback;

use super::*;

const HEAD: &str = "policy: family.yaml\nproxy: {listen: [{mode: explicit, address: '127.0.0.1:0'}], \
                    icap: {services: ['icap://127.0.0.1:1/a']}}\n";

fn section(keys: &str) -> String {
    format!(
        "{HEAD}sessions:\n  gx: {{peers: [{{host: p.test}}], identity: g.test, realm: test{keys}}}\n"
    )
}

#[track_caller]
fn good(keys: &str) -> Config {
    let loaded = read(&section(keys)).unwrap();
    assert_eq!(loaded.warnings, []);
    loaded.config.live.unwrap().gx.unwrap()
}

#[test]
fn what_is_absent_has_a_default() {
    let config = good("");
    let [peer] = &config.peers[..] else {
        panic!("{config:?}");
    };
    assert_eq!(
        (peer.to_string(), &peer.identity),
        ("p.test:3868".to_owned(), &None)
    );
    let gx = &config.gx;
    assert_eq!(
        (&*gx.own.host, &*gx.own.realm, &*gx.realm),
        ("g.test", "test", "test")
    );
    assert_eq!((gx.profile_avp, gx.capability), (SN_CF_POLICY_ID, None));
    assert_eq!((gx.release, gx.updates), (Release::Eight, Updates::Changed));
    assert_eq!((gx.network, &gx.fallback), (5, &Fallback::NextSource));
    assert_eq!(gx.sessions_max, file::SESSIONS_DEFAULT);
    assert_eq!(
        (config.client.pending_max, config.queue_max),
        (1_024, 65_536)
    );
    assert_eq!(config.watchdog, Duration::from_secs(30));
}

#[test]
fn every_key_is_read() {
    let config = good(
        ", destination_realm: policy.test, profile_avp: {vendor: 193, code: 9}, \
         capability: {value: 3, mask: 2}, release: 7, updates: reported, ip_can_type: 2, \
         fallback: {profile: child}, patience_ms: 100, retry_s: 900, answer_ms: 60000, \
         setup_ms: 200, watchdog_s: 6, back_off: {first_ms: 1000, max_ms: 1000}, \
         sessions_max: 7, pending_max: 1, events_max: 1",
    );
    let gx = &config.gx;
    assert_eq!(&*gx.realm, "policy.test");
    assert_eq!((gx.profile_avp.vendor, gx.profile_avp.code), (193, 9));
    let capability = Capability {
        avp: GX_CAPABILITY_LIST,
        value: 3,
        mask: 2,
    };
    assert_eq!(gx.capability, Some(capability));
    assert_eq!(
        (gx.release, gx.updates, gx.network),
        (Release::Seven, Updates::Reported, 2)
    );
    assert_eq!(gx.fallback, Fallback::Profile("child".into()));
    let millis = Duration::from_millis;
    assert_eq!((gx.patience, gx.retry), (millis(100), millis(900_000)));
    assert_eq!(
        (config.client.answer, config.setup),
        (millis(60_000), millis(200))
    );
    assert_eq!(
        (config.back_off.first, config.back_off.max),
        (millis(1_000), millis(1_000))
    );
    assert_eq!(
        (gx.sessions_max, config.client.pending_max, config.queue_max),
        (7, 1, 1)
    );
    assert_eq!(good(", fallback: off").gx.fallback, Fallback::Off);
    assert_eq!(good(", capability: off").gx.capability, None);
    assert_ne!(
        good(""),
        good(", retry_s: 31"),
        "a reload sees the difference"
    );
    assert_eq!(good(""), good(", retry_s: 30"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    check(
        &section(
            ", destination_realm: a..b, profile_avp: {vendor: 0, code: x}, capability: {value: 0}, \
             release: 9, updates: never, fallback: {profile: nobody}, watchdog_s: 5, \
             back_off: {first_ms: 60000}, sessions_max: 10000001",
        )
        .replace(
            "{host: p.test}",
            "{host: 'p.test:3868', port: 0, identity: 'a b'}, \
             {host: q.test, tls: {ca_file: none.pem, key: k.pem}}",
        ),
        expect![[r#"
            weir.yaml:4:23: error: `p.test:3868` is not a host; use a name or an address, and `port` for the port
            weir.yaml:4:44: error: `0` is not a port; use 1 to 65535
            weir.yaml:4:57: error: `a b` is not a name in Diameter; use the form of a DNS name, `gateway.example`
            weir.yaml:4:95: error: cannot read `none.pem`: no such file or directory
            weir.yaml:4:110: error: the key has no `certificate`; add it
            weir.yaml:4:170: error: `a..b` is not a name in Diameter; use the form of a DNS name, `gateway.example`
            weir.yaml:4:198: error: `0` is not an enterprise number; use 1 to 4294967295
            weir.yaml:4:207: error: `x` is not the code of an AVP; use 1 to 4294967295
            weir.yaml:4:231: error: `0` is not flags; use 1 to 4294967295
            weir.yaml:4:244: error: `9` is not known here; use `7` or `8`
            weir.yaml:4:256: error: `never` is not known here; use `changed` or `reported`
            weir.yaml:4:283: error: no profile is called `nobody`; use `child` or `open`
            weir.yaml:4:304: error: `5` is not a number of seconds; use 6 to 3600
            weir.yaml:4:328: error: `first_ms` is more than `max_ms`; use at most as much
            weir.yaml:4:350: error: `10000001` is not a number of sessions; use 1 to 10000000
        "#]],
    );
    check(
        &section(", capability: on, fallback: strict"),
        expect![[r#"
            weir.yaml:4:76: error: `on` is not known here; use `off` or `{value: 1}`
            weir.yaml:4:90: error: `strict` is not known here; use `next_source`, `off` or `{profile: NAME}`
        "#]],
    );
    check(
        &section("").replace("[{host: p.test}]", "[]"),
        expect![[r#"
        weir.yaml:4:15: error: 0 peers are here; use 1 to 8
    "#]],
    );
}

#[test]
fn files_for_tls_are_read_and_told_of() {
    let key = rcgen::generate_simple_self_signed(vec!["p.test".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["o.test".to_owned()]).unwrap();
    let files = [
        ("ca.pem", key.cert.pem()),
        ("own.pem", key.cert.pem()),
        ("own.key", key.signing_key.serialize_pem()),
        ("other.key", other.signing_key.serialize_pem()),
        ("empty.pem", String::new()),
    ];
    let load = |tls: &str, name: &str| {
        let text = section("").replace(
            "{host: p.test}",
            &format!("{{host: {name}, tls: {{{tls}}}}}"),
        );
        let list: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        read_beside(&text, &list)
    };
    let read = |tls: &str| {
        load(tls, "p.test")
            .unwrap()
            .config
            .live
            .unwrap()
            .gx
            .unwrap()
    };
    let plain = read("ca_file: ca.pem");
    assert_eq!(plain.peers[0].port, 5868);
    assert_eq!(plain, read("ca_file: own.pem"), "the same text");
    assert_ne!(plain, read("ca_file: ca.pem, name: other.test"));
    assert_ne!(
        plain,
        read("ca_file: ca.pem, certificate: own.pem, key: own.key")
    );
    let wrong = |tls: &str, name: &str| {
        let remarks = load(tls, name).unwrap_err();
        remarks
            .iter()
            .map(|it| format!("{it}\n"))
            .collect::<String>()
    };
    let told = [
        wrong("ca_file: none.pem", "p.test"),
        wrong("ca_file: empty.pem", "p.test"),
        wrong("ca_file: ca.pem, certificate: own.pem", "p.test"),
        wrong(
            "ca_file: ca.pem, certificate: own.pem, key: empty.pem",
            "p.test",
        ),
        wrong(
            "ca_file: ca.pem, certificate: own.pem, key: other.key",
            "p.test",
        ),
        wrong("ca_file: ca.pem", "p_.-"),
    ];
    expect![[r#"
        weir.yaml:4:46: error: cannot read `none.pem`: no such file or directory
        weir.yaml:4:46: error: `empty.pem`: the file of authorities cannot be used: it has no certificate in PEM
        weir.yaml:4:67: error: the certificate has no `key`; add it
        weir.yaml:4:81: error: `empty.pem`: the key cannot be used: it is no PEM that can be read: no items found
        weir.yaml:4:81: error: `other.key`: the key cannot be used: it is of a kind that is not known, or does not belong to the certificate: keys may not be consistent: KeyMismatch
        weir.yaml:4:23: error: `p_.-`: a certificate cannot be valid for this name; use a DNS name or an address
    "#]].assert_eq(&told.concat());
}

#[test]
fn a_policy_server_that_can_select_nothing_is_told_of() {
    let policy = POLICY.replace("id: 7, ", "");
    let text = section("");
    let loaded = read_beside(&text, &[("family.yaml", &policy)]).unwrap();
    let told = loaded.warnings.iter().map(|it| it.to_string());
    let told = told.map(|it| it.rsplit('/').next().unwrap().to_owned());
    expect!["weir.yaml:4:43: warning: the policy server selects nothing: no profile has an `id`, and `sessions.rules` has no charging rule; add one of them [nothing_to_select_by]"].assert_eq(&told.collect::<String>());
    let rules = text + "  rules: [{rule: acr-child, profile: child}]\n";
    let loaded = read_beside(&rules, &[("family.yaml", &policy)]).unwrap();
    assert_eq!(loaded.warnings, []);
}
