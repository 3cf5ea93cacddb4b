//! What the texts say about values that cannot be used.

use expect_test::expect;

use super::{check, read};

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        r#"
admin: localhost:9090
listen:
  - {mode: tproxied, address: "[::]"}
  - {mode: redirect, address: "[::]:3130", clients: ["10.0.0.0/8"]}
  - {mode: explicit, address: "[::]:3130", clients: ["10.0.0.0/80", "10.1.0.0/8"]}
  - {mode: redirect, address: "[::]:3131", proxy_protocol_from: ["10.0.0.1"]}
ports: {http: [443, web], tls: [80, 0]}
tls_filtering: on
upstream_source: client
workers: many
cache: {enabled: yes, entries_per_worker: 0, lifetime_s: 1h}
limits: {connections_per_client: none, stall_s: 0}
access_log: {path: "", redact: [uri]}
drain_s: -1
icap:
  services: ["127.0.0.1:1344"]
  cache_control: honour
  send_subscriber: both
"#,
        expect![[r#"
            weir.yaml:2:8: error: `localhost:9090` is not an address with a port; use the form `127.0.0.1:3128` or `[::1]:3128`
            weir.yaml:4:12: error: `tproxied` is not known here; use `tproxy`, `redirect` or `explicit`
            weir.yaml:4:31: error: `[::]` is not an address with a port; use the form `127.0.0.1:3128` or `[::1]:3128`
            weir.yaml:5:53: error: `clients` is for `mode: explicit`; what is intercepted is decided by the rules that lead here
            weir.yaml:6:31: error: `[::]:3130` is here twice; give each listener its own port
            weir.yaml:6:54: error: `10.0.0.0/80` is not a range of addresses; use the form `192.0.2.0/24` or `2001:db8::/32`
            weir.yaml:6:69: error: `10.1.0.0/8` has bits set behind its length; use `10.0.0.0/8`
            weir.yaml:7:65: error: `proxy_protocol_from` is for `mode: explicit`; an intercepted connection comes from its client
            weir.yaml:8:16: error: `443` is a TLS port and cannot be an HTTP port too; keep one
            weir.yaml:8:21: error: `web` is not a port; use 1 to 65535
            weir.yaml:8:33: error: `80` is an HTTP port and cannot be a TLS port too; keep one
            weir.yaml:8:37: error: `0` is not a port; use 1 to 65535
            weir.yaml:9:16: error: `on` is not known here; use `true` or `false`
            weir.yaml:10:18: error: `client` needs a listener with `mode: tproxy`; add one, or use `local`
            weir.yaml:11:10: error: `many` is not a number of threads; use 0 to 256
            weir.yaml:12:18: error: `yes` is not known here; use `true` or `false`
            weir.yaml:12:43: error: `0` is not a number of entries; use 1 to 16777216
            weir.yaml:12:58: error: `1h` is not a number of seconds; use 1 to 604800
            weir.yaml:13:34: error: `none` is not a number of connections; use 0 to 1048576
            weir.yaml:13:49: error: `0` is not a number of seconds; use 1 to 86400
            weir.yaml:14:20: error: the path is empty; use `-` for standard output, or leave `access_log` out
            weir.yaml:14:33: error: `uri` is not known here; use `subscriber` or `query`
            weir.yaml:15:10: error: `-1` is not a number of seconds; use 0 to 3600
            weir.yaml:17:14: error: `127.0.0.1:1344` is not an ICAP service; use the form `icap://host:1344/service`, `icaps://host:11344/service` or `unix:/path/of/socket#service`
            weir.yaml:18:18: error: `honour` is not known here; use `ignore` or `honor`
            weir.yaml:19:20: error: `both` is not known here; use `none`, `msisdn` or `imsi`
        "#]],
    );
    check(
        "listen: []",
        expect![[r#"
        weir.yaml:1:9: error: 0 listeners are here; use 1 to 64
    "#]],
    );
    check(
        "{listen: [], forbidden: [localhost, 10.0.0.1/8]}",
        expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:26: error: `localhost` is not a range of addresses; use the form `192.0.2.0/24` or `2001:db8::/32`
            weir.yaml:1:37: error: `10.0.0.1/8` has bits set behind its length; use `10.0.0.0/8`
        "#]],
    );
    check(
        "{listen: [], forbidden: []}",
        expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:25: error: 0 ranges are here; use 1 to 256
        "#]],
    );
    check(
        "admin: 127.0.0.1:9090",
        expect![[r#"
        weir.yaml:1:1: error: the key `listen` is missing
    "#]],
    );
    check(
        "{listen: [], icap: {services: []}}",
        expect![[r#"
        weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
        weir.yaml:1:31: error: 0 services are here; use 1 to 16
    "#]],
    );
    check(
        "{listen: [], icap: {services: ['icap://a/b'], client_certificate: a.pem}}",
        expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:67: error: the certificate has no `client_key`; add it
        "#]],
    );
    check(
        "{listen: [], icap: {services: ['icap://a/b'], client_key: a.key}}",
        expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:59: error: the key has no `client_certificate`; add it
        "#]],
    );
    for (services, expected) in [
        (
            "[{}]",
            expect![[r#"
            weir.yaml:1:32: error: the key `endpoints` is missing
        "#]],
        ),
        (
            "[[a]]",
            expect![[r#"
            weir.yaml:1:32: error: `[a]]}}` stands here; use the URI of a service or `{endpoints: [URI, …]}`
        "#]],
        ),
        (
            "[{endpoints: []}]",
            expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:44: error: 0 endpoints are here; use 1 to 32
        "#]],
        ),
        (
            "[{endpoints: [a, {uri: 'icap://a/b', weight: 0}, {weight: 1}]}]",
            expect![[r#"
                weir.yaml:1:81: error: the key `uri` is missing
            "#]],
        ),
        (
            "[{endpoints: [a, {uri: 'icap://a/b', weight: 0}], backup: maybe}]",
            expect![[r#"
                weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
                weir.yaml:1:45: error: `a` is not an ICAP service; use the form `icap://host:1344/service`, `icaps://host:11344/service` or `unix:/path/of/socket#service`
                weir.yaml:1:76: error: `0` is not a weight; use 1 to 100
                weir.yaml:1:89: error: `maybe` is not known here; use `true` or `false`
            "#]],
        ),
        (
            "[{endpoints: ['icap://a/b'], backup: true}]",
            expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:31: error: every entry is a backup; leave `backup` out of one
        "#]],
        ),
        (
            "[{endpoints: ['icap://a/b'], backup: true}, 'icap://a/b']",
            expect![[r#"
                weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
                weir.yaml:1:75: error: a backup stands before this entry; put backups last, since they are asked last
            "#]],
        ),
    ] {
        check(
            &format!("{{listen: [], icap: {{services: {services}}}}}"),
            expected,
        );
    }
    for key in ["client_key", "client_certificate"] {
        let error = read(&format!(
            "{{listen: [], icap: {{services: ['icap://a/b'], {key}: k}}}}"
        ));
        assert!(error.unwrap_err().contains("; add it"), "{key}");
    }
    for (len, is_good) in [(107, true), (108, false)] {
        let path = "x".repeat(len - "/etc/weir/".len());
        let error = read(&format!(
            "{{listen: [], icap: {{services: ['unix:{path}#x']}}}}"
        ));
        let text = "is too long for a socket; use 1 to 107 bytes, the folder of this file included";
        assert_eq!(!error.unwrap_err().contains(text), is_good, "{len}");
    }
    let many = ["'icap://a/b'"; 17].join(", ");
    let services = format!("[{{endpoints: [{many}]}}, {{endpoints: [{many}]}}]");
    check(
        &format!("{{listen: [], icap: {{services: {services}}}}}"),
        expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
            weir.yaml:1:31: error: 34 endpoints are here; use at most 32 in all entries
        "#]],
    );
    check(
        "{listen: [], icap: {}}",
        expect![[r#"
        weir.yaml:1:20: error: the key `services` is missing
    "#]],
    );
    check(
        "{listen: [{mode: explicit}]}",
        expect![[r#"
        weir.yaml:1:12: error: the key `address` is missing
    "#]],
    );
    check(
        "{listen: 127.0.0.1:3128}",
        expect![[r#"
        weir.yaml:1:10: error: `127.0.0.1:3128}` stands here; use a list (`[a, b]`, or lines that start with `-`)
    "#]],
    );
}
