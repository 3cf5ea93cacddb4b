//! The `icap_server:` section of a configuration file, as written.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use policy::written::{Placed, Remarks, Written};
use serde::Deserialize;

use super::{Config, Listen, Overload, PrefixUnit};

pub mod categories;
pub mod limits;
mod listen;

pub use self::listen::{CLIENTS_MAX, MODE, UNIX_PATH_LEN_MAX};

/// `listen`: listeners at most.
pub const LISTENERS_MAX: usize = 64;
/// `connections_max` when it is absent.
pub const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// `connections_max` at most.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// `workers`: threads at most. 0, the default: one per core.
pub const WORKERS_MAX: usize = 1_024;
/// `drain_s` when it is absent.
pub const DRAIN_S: u64 = 30;
/// `drain_s` at most.
pub const DRAIN_S_MAX: u64 = 3_600;

/// `max_age_s` at most.
pub const MAX_AGE_S_MAX: u64 = 31_536_000;

/// The `icap_server:` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    admin: Option<Written>,
    listen: Placed<Vec<Placed<listen::Entry>>>,
    /// Where the categories come from.
    pub categories: Placed<categories::Entry>,
    /// A file of overrides.
    pub overrides: Option<Written>,
    overload: Option<Written>,
    prefix_unit: Option<Written>,
    max_age_s: Option<Written>,
    connections_max: Option<Written>,
    #[serde(default)]
    limits: limits::Section,
    workers: Option<Written>,
    drain_s: Option<Written>,
}

impl Section {
    /// Returns the configuration, or nothing if `remarks` tell of an error by then. Paths are
    /// relative to `folder`.
    pub fn into_config(self, folder: &Path, remarks: &mut Remarks) -> Option<Config> {
        let words = [("503", Overload::Refuse), ("204", Overload::Pass)];
        let overload = self
            .overload
            .as_ref()
            .and_then(|word| word.word(&words, remarks));
        let units = [
            ("uri", PrefixUnit::Uri),
            ("path", PrefixUnit::Path),
            ("off", PrefixUnit::Off),
        ];
        let prefix_unit = self
            .prefix_unit
            .as_ref()
            .and_then(|word| word.word(&units, remarks));
        let max_age = self
            .max_age_s
            .as_ref()
            .and_then(|age| age.number("a number of seconds", 1..=MAX_AGE_S_MAX, remarks));
        let drain = self
            .drain_s
            .as_ref()
            .and_then(|drain| drain.number("a number of seconds", 0..=DRAIN_S_MAX, remarks));
        let connections_max = self.connections_max.as_ref().and_then(|count| {
            count.number("a number of connections", 1..=CONNECTIONS_MAX, remarks)
        });
        let workers = self.workers.as_ref().and_then(|count| {
            let what = "a number of threads (0: one per core)";
            count.number(what, 0..=WORKERS_MAX, remarks)
        });
        let listen = self.listeners(folder, remarks);
        let config = Config {
            admin: self.admin.as_ref().and_then(|admin| admin.address(remarks)),
            listen,
            overload: overload.unwrap_or(Overload::Refuse),
            prefix_unit: prefix_unit.unwrap_or(PrefixUnit::Uri),
            max_age: max_age.map(Duration::from_secs),
            connections_max: connections_max
                .and_then(NonZeroUsize::new)
                .unwrap_or(CONNECTIONS),
            limits: self.limits.resolve(remarks),
            workers: workers.and_then(NonZeroUsize::new),
            drain: Duration::from_secs(drain.unwrap_or(DRAIN_S)),
        };
        remarks.usable().then_some(config)
    }

    fn listeners(&self, folder: &Path, remarks: &mut Remarks) -> Vec<Listen> {
        remarks.counted(&self.listen, LISTENERS_MAX, "listeners");
        let entries = self.listen.value.iter().take(LISTENERS_MAX);
        let listen = entries
            .clone()
            .filter_map(|Placed { value, place }| value.resolve(*place, folder, remarks))
            .collect();
        let addresses: Vec<Written> = entries
            .clone()
            .filter_map(|Placed { value, place }| value.address(*place))
            .collect();
        remarks.distinct_addresses(self.admin.iter().chain(&addresses));
        let mut paths = BTreeSet::new();
        for Placed { value, place } in entries {
            if value.unix().is_some_and(|path| !paths.insert(path)) {
                remarks.error(*place, "this socket is here twice; keep one");
            }
        }
        listen
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "it shows whole configurations")]
    fn every_key_is_read() {
        check(
            "{listen: ['127.0.0.1:0'], categories: lists}",
            expect![[r#"
                Config {
                    admin: None,
                    listen: [
                        Listen {
                            socket: Tcp(
                                127.0.0.1:0,
                            ),
                            clients: None,
                            tls: None,
                        },
                    ],
                    overload: Refuse,
                    prefix_unit: Uri,
                    max_age: None,
                    connections_max: 10000,
                    limits: Limits {
                        request: RequestLimits {
                            head_len_max: 65536,
                            fields_max: 128,
                            http_heads_len_max: 262144,
                            chunks: ChunkLimits {
                                line_len_max: 1024,
                                trailer_len_max: 16384,
                            },
                        },
                        preview_len_max: 65536,
                        read_over_len_max: 67108864,
                        head: 10s,
                        stall: 30s,
                        idle: 60s,
                    },
                    workers: None,
                    drain: 30s,
                }"#]],
        );
        check(
            r#"
admin: 127.0.0.1:9091
listen:
  - 127.0.0.1:1344
  - {address: "[::1]:1344", clients: ["10.0.0.0/8", "::1"]}
  - {address: "[::]:11344", tls: {certificate: icap.pem, key: /run/icap.key, client_ca: ca.pem}}
  - {unix: icap.sock, mode: 0600}
categories: lists
overload: "204"
prefix_unit: path
max_age_s: 300
connections_max: 64
limits:
  head_bytes: 1024
  head_lines: 8
  http_heads_bytes: 1024
  chunk_line_bytes: 32
  trailer_bytes: 2
  preview_bytes: 0
  read_over_bytes: 0
  head_s: 1
  stall_s: 1
  idle_s: 1
workers: 2
drain_s: 5
"#,
            expect![[r#"
                Config {
                    admin: Some(
                        127.0.0.1:9091,
                    ),
                    listen: [
                        Listen {
                            socket: Tcp(
                                127.0.0.1:1344,
                            ),
                            clients: None,
                            tls: None,
                        },
                        Listen {
                            socket: Tcp(
                                [::1]:1344,
                            ),
                            clients: Some(
                                [
                                    10.0.0.0/8,
                                    ::1/128,
                                ],
                            ),
                            tls: None,
                        },
                        Listen {
                            socket: Tcp(
                                [::]:11344,
                            ),
                            clients: None,
                            tls: Some(
                                Tls {
                                    certificate: "/etc/weir/icap.pem",
                                    key: "/run/icap.key",
                                    client_ca: Some(
                                        "/etc/weir/ca.pem",
                                    ),
                                    place: Place {
                                        line: 6,
                                        column: 34,
                                    },
                                },
                            ),
                        },
                        Listen {
                            socket: Unix {
                                path: "/etc/weir/icap.sock",
                                mode: 384,
                            },
                            clients: None,
                            tls: None,
                        },
                    ],
                    overload: Pass,
                    prefix_unit: Path,
                    max_age: Some(
                        300s,
                    ),
                    connections_max: 64,
                    limits: Limits {
                        request: RequestLimits {
                            head_len_max: 1024,
                            fields_max: 8,
                            http_heads_len_max: 1024,
                            chunks: ChunkLimits {
                                line_len_max: 32,
                                trailer_len_max: 2,
                            },
                        },
                        preview_len_max: 0,
                        read_over_len_max: 0,
                        head: 1s,
                        stall: 1s,
                        idle: 1s,
                    },
                    workers: Some(
                        2,
                    ),
                    drain: 5s,
                }"#]],
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        check(
            r#"
admin: 127.0.0.1:1344
listen: ["127.0.0.1:1344", "::1"]
categories: lists
overload: 200
connections_max: 0
workers: 1025
drain_s: 3601
"#,
            expect![[r#"
                weir.yaml:3:10: error: `127.0.0.1:1344` is here twice; give each listener its own port
                weir.yaml:3:28: error: `::1` is not an address with a port; use the form `127.0.0.1:3128` or `[::1]:3128`
                weir.yaml:5:11: error: `200` is not known here; use `503` or `204`
                weir.yaml:6:18: error: `0` is not a number of connections; use 1 to 1000000
                weir.yaml:7:10: error: `1025` is not a number of threads (0: one per core); use 0 to 1024
                weir.yaml:8:10: error: `3601` is not a number of seconds; use 0 to 3600
            "#]],
        );
        check(
            "{listen: [], categories: lists}",
            expect![[r#"
            weir.yaml:1:10: error: 0 listeners are here; use 1 to 64
        "#]],
        );
        check(
            "{listen: ['127.0.0.1:1344']}",
            expect![[r#"
            weir.yaml:1:2: error: the key `categories` is missing
        "#]],
        );
        check(
            "{listens: ['127.0.0.1:1344']}",
            expect![[r#"
                weir.yaml:1:2: error: `listens` is not a key here; did you mean `listen`?
            "#]],
        );
    }

    #[test]
    fn listeners_are_addresses_or_mappings() {
        check(
            r#"
categories: lists
listen:
  - {address: 127.0.0.1:1344, unix: a.sock}
  - {mode: "0600"}
  - {unix: b.sock, clients: ["10.0.0.0/8"]}
  - {unix: b.sock, mode: "0999"}
  - {address: 127.0.0.1:1344, mode: "0600"}
  - {address: 127.0.0.1:1344, clients: []}
  - {unix: ""}
"#,
            expect![[r#"
                weir.yaml:4:5: error: a listener needs one of `address` and `unix`
                weir.yaml:5:5: error: a listener needs one of `address` and `unix`
                weir.yaml:6:5: error: `clients` and `tls` are for `address`; a Unix socket has `mode`
                weir.yaml:7:5: error: this socket is here twice; keep one
                weir.yaml:7:26: error: `0999` is not the mode of a socket; use three octal digits, such as `"0660"`
                weir.yaml:8:15: error: `127.0.0.1:1344` is here twice; give each listener its own port
                weir.yaml:8:37: error: `mode` is for `unix`; leave it out
                weir.yaml:9:15: error: `127.0.0.1:1344` is here twice; give each listener its own port
                weir.yaml:9:40: error: 0 ranges are here; use 1 to 1024
                weir.yaml:10:12: error: `` is not a path for a socket; use 1 to 100 bytes, the folder of this file included
            "#]],
        );
        check(
            "{listen: [{address: '127.0.0.1:1', tls: {key: a}}], categories: c}",
            expect![[r#"
                weir.yaml:1:42: error: the key `certificate` is missing
            "#]],
        );
        check(
            "{listen: [['127.0.0.1:1']], categories: c}",
            expect![[r#"
            weir.yaml:1:11: error: `['127.0.0.1:1']], categories: c}` stands here; use an address with a port, or keys with values (`address: …`, `unix: …`)
        "#]],
        );
        check(
            "{listen: [{adress: '127.0.0.1:1'}], categories: c}",
            expect![[r#"
                weir.yaml:1:12: error: `adress` is not a key here; did you mean `address`?
            "#]],
        );
    }

    #[test]
    fn limits_have_ranges() {
        check(
            r#"
listen: ["127.0.0.1:1344"]
categories: lists
prefix_unit: host
max_age_s: 0
limits:
  head_bytes: 1023
  head_lines: 129
  http_heads_bytes: 16777217
  chunk_line_bytes: 31
  trailer_bytes: 1
  preview_bytes: 1073741825
  read_over_bytes: 1099511627777
  head_s: 0
  stall_s: 3601
  idle_s: 86401
"#,
            expect![[r#"
                weir.yaml:4:14: error: `host` is not known here; use `uri`, `path` or `off`
                weir.yaml:5:12: error: `0` is not a number of seconds; use 1 to 31536000
                weir.yaml:7:15: error: `1023` is not a number of bytes; use 1024 to 1048576
                weir.yaml:8:15: error: `129` is not a number of lines; use 8 to 128
                weir.yaml:9:21: error: `16777217` is not a number of bytes; use 1024 to 16777216
                weir.yaml:10:21: error: `31` is not a number of bytes; use 32 to 65536
                weir.yaml:11:18: error: `1` is not a number of bytes; use 2 to 1048576
                weir.yaml:12:18: error: `1073741825` is not a number of bytes; use 0 to 1073741824
                weir.yaml:13:20: error: `1099511627777` is not a number of bytes; use 0 to 1099511627776
                weir.yaml:14:11: error: `0` is not a number of seconds; use 1 to 600
                weir.yaml:15:12: error: `3601` is not a number of seconds; use 1 to 3600
                weir.yaml:16:11: error: `86401` is not a number of seconds; use 1 to 86400
            "#]],
        );
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let mut remarks = Remarks::new("weir.yaml");
        let config = match policy::written::read::<Section>("weir.yaml", text) {
            Ok(section) => section.into_config(Path::new("/etc/weir"), &mut remarks),
            Err(remark) => {
                remarks.extend([remark]);
                None
            }
        };
        let lines = remarks.into_list();
        let lines = || lines.iter().map(|line| format!("{line}\n")).collect();
        expected.assert_eq(&config.map_or_else(lines, |config| format!("{config:#?}")));
    }
}
