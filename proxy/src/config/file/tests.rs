#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use expect_test::{Expect, expect};

use super::*;

#[test]
fn the_least_that_is_accepted_takes_every_default() {
    let config = read("listen: [{mode: explicit, address: '127.0.0.1:0'}]").unwrap();
    expect![[r#"
        Config {
            admin: None,
            listen: [
                Listen {
                    mode: Explicit,
                    address: 127.0.0.1:0,
                    clients: [
                        127.0.0.0/8,
                        ::1/128,
                    ],
                },
            ],
            ports: Ports {
                http: [
                    80,
                    8080,
                ],
                tls: [
                    443,
                ],
            },
            tls_filtering: true,
            upstream_source: Local,
            forbidden: [],
            workers: 2,
            cache: CacheLimits {
                entries_max: Some(
                    65536,
                ),
                lifetime: 3600s,
            },
            client_hello: HelloLimits {
                bytes_max: 65536,
                memory_bytes_max: 67108864,
                deadline: 10s,
            },
            http_head: HeadLimits {
                bytes_max: 65536,
                deadline: 10s,
            },
            limits: Limits {
                connections_per_worker: 32768,
                connections_per_client: Some(
                    1024,
                ),
                client_idle: 60s,
                stall: 300s,
                answer: 120s,
                connect: 10s,
                tunnel_idle: 7500s,
                half_closed_idle: 300s,
                read_over_bytes: 16777216,
                read_over: 30s,
            },
            access_log: None,
            drain: 30s,
            icap: None,
            dns: Dns {
                cache_entries: 16384,
                deadline: 2s,
            },
        }
    "#]]
    .assert_debug_eq(&config);
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
admin: 127.0.0.1:9090
listen:
  - {mode: tproxy, address: "[::]:3129"}
  - {mode: redirect, address: "[::]:3130"}
  - {mode: explicit, address: "127.0.0.1:3128", clients: ["10.0.0.0/8", "2001:db8::1"]}
ports: {http: [8000, 80], tls: [8443]}
tls_filtering: false
upstream_source: client
forbidden: ["10.0.0.0/8", "fd00:ec2::254"]
workers: 3
cache: {enabled: false, entries_per_worker: 10, lifetime_s: 20}
client_hello: {bytes_max: 4096, memory_bytes_max: 65536, deadline_ms: 30}
http_head: {bytes_max: 16384, deadline_ms: 40}
limits:
  connections_per_worker: 70
  connections_per_client: 0
  client_idle_s: 71
  stall_s: 72
  answer_s: 73
  connect_s: 74
  tunnel_idle_s: 75
  half_closed_idle_s: 76
  read_over_bytes: 77
  read_over_s: 78
access_log: {path: access.log, redact: [subscriber, query]}
drain_s: 50
dns: {cache_entries: 60, deadline_ms: 70}
icap:
  services:
    - icap://127.0.0.1:1344/categorize
    - {endpoints: [{uri: "unix:icap.sock#categorize", weight: 3}, "icaps://icap.example/x"], backup: true}
  deadline_ms: 60
  cache_control: honor
  honour_http_response: true
  ca_file: ca.pem
  client_certificate: /keys/client.pem
  client_key: client.key
  prefix_unit: path
  send_subscriber: imsi
"#,
    );
    expect![[r#"
        Config {
            admin: Some(
                127.0.0.1:9090,
            ),
            listen: [
                Listen {
                    mode: Tproxy,
                    address: [::]:3129,
                    clients: [],
                },
                Listen {
                    mode: Redirect,
                    address: [::]:3130,
                    clients: [],
                },
                Listen {
                    mode: Explicit,
                    address: 127.0.0.1:3128,
                    clients: [
                        10.0.0.0/8,
                        2001:db8::1/128,
                    ],
                },
            ],
            ports: Ports {
                http: [
                    80,
                    8080,
                    8000,
                ],
                tls: [
                    443,
                    8443,
                ],
            },
            tls_filtering: false,
            upstream_source: Client,
            forbidden: [
                10.0.0.0/8,
                fd00:ec2::254/128,
            ],
            workers: 3,
            cache: CacheLimits {
                entries_max: None,
                lifetime: 20s,
            },
            client_hello: HelloLimits {
                bytes_max: 4096,
                memory_bytes_max: 65536,
                deadline: 30ms,
            },
            http_head: HeadLimits {
                bytes_max: 16384,
                deadline: 40ms,
            },
            limits: Limits {
                connections_per_worker: 70,
                connections_per_client: None,
                client_idle: 71s,
                stall: 72s,
                answer: 73s,
                connect: 74s,
                tunnel_idle: 75s,
                half_closed_idle: 76s,
                read_over_bytes: 77,
                read_over: 78s,
            },
            access_log: Some(
                AccessLog {
                    path: Some(
                        "/etc/weir/access.log",
                    ),
                    redact_subscriber: true,
                    redact_query: true,
                },
            ),
            drain: 50s,
            icap: Some(
                Icap {
                    services: [
                        IcapTier {
                            endpoints: [
                                IcapService {
                                    uri: "icap://127.0.0.1:1344/categorize",
                                    endpoint: Tcp {
                                        host: "127.0.0.1",
                                        port: 1344,
                                    },
                                    weight: 1,
                                },
                            ],
                            role: Regular,
                        },
                        IcapTier {
                            endpoints: [
                                IcapService {
                                    uri: "icap://localhost/categorize",
                                    endpoint: Unix(
                                        "/etc/weir/icap.sock",
                                    ),
                                    weight: 3,
                                },
                                IcapService {
                                    uri: "icaps://icap.example/x",
                                    endpoint: Tls {
                                        host: "icap.example",
                                        port: 11344,
                                    },
                                    weight: 1,
                                },
                            ],
                            role: Backup,
                        },
                    ],
                    ca_file: Some(
                        "/etc/weir/ca.pem",
                    ),
                    client: Some(
                        ClientIdentity {
                            certificate: "/keys/client.pem",
                            key: "/etc/weir/client.key",
                        },
                    ),
                    deadline: 60ms,
                    honor_cache_control: true,
                    honour_http_response: true,
                    prefix_unit: Path,
                    send_subscriber: Imsi,
                },
            ),
            dns: Dns {
                cache_entries: 60,
                deadline: 70ms,
            },
        }
    "#]]
    .assert_debug_eq(&config.unwrap());
}

#[test]
fn values_stand_on_both_sides_of_their_bounds() {
    let read = |lines: &str| {
        read(&format!(
            "listen: [{{mode: explicit, address: '127.0.0.1:0'}}]\n{lines}"
        ))
    };
    for (line, min, max) in [
        ("workers: #", 0, 256),
        ("drain_s: #", 0, 3_600),
        ("dns: {cache_entries: #}", 1, 1_048_576),
        ("dns: {deadline_ms: #}", 10, 10_000),
        ("cache: {entries_per_worker: #}", 1, 16_777_216),
        ("cache: {lifetime_s: #}", 1, 604_800),
        ("client_hello: {bytes_max: #}", 512, 1_048_576),
        ("client_hello: {memory_bytes_max: #}", 65_536, 1_073_741_824),
        ("client_hello: {deadline_ms: #}", 10, 60_000),
        ("http_head: {bytes_max: #}", 8_192, 1_048_576),
        ("http_head: {deadline_ms: #}", 10, 600_000),
        ("limits: {connections_per_worker: #}", 1, 1_048_576),
        ("limits: {connections_per_client: #}", 0, 1_048_576),
        ("limits: {client_idle_s: #}", 1, 3_600),
        ("limits: {stall_s: #}", 1, 86_400),
        ("limits: {answer_s: #}", 1, 86_400),
        ("limits: {connect_s: #}", 1, 300),
        ("limits: {tunnel_idle_s: #}", 1, 604_800),
        ("limits: {half_closed_idle_s: #}", 1, 86_400),
        ("limits: {read_over_bytes: #}", 0, 1_073_741_824),
        ("limits: {read_over_s: #}", 1, 3_600),
        ("ports: {tls: [#]}", 1, 65_535),
        (
            "icap: {services: ['icap://a/b'], deadline_ms: #}",
            5,
            60_000,
        ),
    ] {
        for (value, good) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
            let text = line.replace('#', &i64::to_string(&value));
            assert_eq!(read(&text).is_ok(), good, "{text}");
        }
    }
}

#[test]
fn hosts_are_in_normal_form() {
    let hosts = |text: &str| {
        let text = format!("{{listen: [], hosts: {text}}}");
        let section: Section = policy::written::read("weir.yaml", &text).unwrap();
        let mut remarks = Remarks::new("weir.yaml");
        let hosts = section.static_hosts(&mut remarks);
        let lines = remarks.into_list();
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        (hosts, lines.join("\n"))
    };
    let (map, remarks) = hosts("{News.Example: '127.0.0.1:80', 'bücher.example': '[::1]:80'}");
    let names: Vec<&str> = map.keys().map(String::as_str).collect();
    assert_eq!(names, ["news.example", "xn--bcher-kva.example"]);
    assert_eq!(remarks, "");
    let (_, remarks) = hosts("{'a:80': '127.0.0.1:80', 'a/b': '127.0.0.1:80', b: c}");
    expect![[r#"
        weir.yaml:1:22: error: `a:80` is not a host name; use the form `name.example`
        weir.yaml:1:46: error: `a/b` is not a host name; use the form `name.example`
        weir.yaml:1:72: error: `c` is not an address with a port; use the form `127.0.0.1:3128` or `[::1]:3128`"#]]
    .assert_eq(&remarks);
}

#[test]
fn forbidden_ranges_are_limited() {
    for (count, good) in [(1, true), (FORBIDDEN_MAX, true), (FORBIDDEN_MAX + 1, false)] {
        let ranges = vec!["192.0.2.0/24"; count];
        let text = format!(
            "{{listen: [{{mode: explicit, address: '127.0.0.1:0'}}], forbidden: {ranges:?}}}"
        );
        assert_eq!(read(&text).is_ok(), good, "{count}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        r#"
admin: localhost:9090
listen:
  - {mode: tproxied, address: "[::]"}
  - {mode: redirect, address: "[::]:3130", clients: ["10.0.0.0/8"]}
  - {mode: explicit, address: "[::]:3130", clients: ["10.0.0.0/80", "10.1.0.0/8"]}
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
            weir.yaml:7:16: error: `443` is a TLS port and cannot be an HTTP port too; keep one
            weir.yaml:7:21: error: `web` is not a port; use 1 to 65535
            weir.yaml:7:33: error: `80` is an HTTP port and cannot be a TLS port too; keep one
            weir.yaml:7:37: error: `0` is not a port; use 1 to 65535
            weir.yaml:8:16: error: `on` is not known here; use `true` or `false`
            weir.yaml:9:18: error: `client` needs a listener with `mode: tproxy`; add one, or use `local`
            weir.yaml:10:10: error: `many` is not a number of threads; use 0 to 256
            weir.yaml:11:18: error: `yes` is not known here; use `true` or `false`
            weir.yaml:11:43: error: `0` is not a number of entries; use 1 to 16777216
            weir.yaml:11:58: error: `1h` is not a number of seconds; use 1 to 604800
            weir.yaml:12:34: error: `none` is not a number of connections; use 0 to 1048576
            weir.yaml:12:49: error: `0` is not a number of seconds; use 1 to 86400
            weir.yaml:13:20: error: the path is empty; use `-` for standard output, or leave `access_log` out
            weir.yaml:13:33: error: `uri` is not known here; use `subscriber` or `query`
            weir.yaml:14:10: error: `-1` is not a number of seconds; use 0 to 3600
            weir.yaml:16:14: error: `127.0.0.1:1344` is not an ICAP service; use the form `icap://host:1344/service`, `icaps://host:11344/service` or `unix:/path/of/socket#service`
            weir.yaml:17:18: error: `honour` is not known here; use `ignore` or `honor`
            weir.yaml:18:20: error: `both` is not known here; use `none`, `msisdn` or `imsi`
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

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&read(text).unwrap_err());
}

fn read(text: &str) -> Result<Config, String> {
    let section: Section =
        policy::written::read("weir.yaml", text).map_err(|remark| format!("{remark}\n"))?;
    let mut remarks = Remarks::new("weir.yaml");
    let cores = NonZeroUsize::new(2).unwrap();
    let config = section.into_config(Path::new("/etc/weir"), cores, &mut remarks);
    let lines = remarks.into_list();
    config.ok_or_else(|| lines.iter().map(|line| format!("{line}\n")).collect())
}
