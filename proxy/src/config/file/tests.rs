#![expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]

use expect_test::{Expect, expect};

use super::*;

mod errors;

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
                    proxy_protocol_from: [],
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
  - {mode: explicit, address: "127.0.0.1:3128", clients: ["10.0.0.0/8", "2001:db8::1"],
     proxy_protocol_from: ["192.0.2.0/24"]}
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
                    proxy_protocol_from: [],
                },
                Listen {
                    mode: Redirect,
                    address: [::]:3130,
                    clients: [],
                    proxy_protocol_from: [],
                },
                Listen {
                    mode: Explicit,
                    address: 127.0.0.1:3128,
                    clients: [
                        10.0.0.0/8,
                        2001:db8::1/128,
                    ],
                    proxy_protocol_from: [
                        192.0.2.0/24,
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
