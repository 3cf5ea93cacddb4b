//! The `icap_server:` section of a configuration file, as written.

use std::num::NonZeroUsize;
use std::time::Duration;

use policy::written::{Placed, Remarks, Written};
use serde::Deserialize;

use super::{Config, Overload};

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

/// The `icap_server:` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    admin: Option<Written>,
    listen: Placed<Vec<Written>>,
    /// A directory of lists, or a built file.
    pub categories: Written,
    overload: Option<Written>,
    connections_max: Option<Written>,
    workers: Option<Written>,
    drain_s: Option<Written>,
}

impl Section {
    /// Returns the configuration, or nothing if `remarks` tell of an error by then.
    pub fn into_config(self, remarks: &mut Remarks) -> Option<Config> {
        let words = [("503", Overload::Refuse), ("204", Overload::Pass)];
        let overload = self
            .overload
            .as_ref()
            .and_then(|word| word.word(&words, remarks));
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
        remarks.counted(&self.listen, LISTENERS_MAX, "listeners");
        let listen = self.listen.value.iter().take(LISTENERS_MAX);
        let listen = listen
            .filter_map(|address| address.address(remarks))
            .collect();
        let config = Config {
            admin: self.admin.as_ref().and_then(|admin| admin.address(remarks)),
            listen,
            overload: overload.unwrap_or(Overload::Refuse),
            connections_max: connections_max
                .and_then(NonZeroUsize::new)
                .unwrap_or(CONNECTIONS),
            workers: workers.and_then(NonZeroUsize::new),
            drain: Duration::from_secs(drain.unwrap_or(DRAIN_S)),
        };
        remarks.distinct_addresses(self.admin.iter().chain(&self.listen.value));
        remarks.usable().then_some(config)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn every_key_is_read() {
        check(
            "{listen: ['127.0.0.1:0'], categories: lists}",
            expect![[r#"
                Config {
                    admin: None,
                    listen: [
                        127.0.0.1:0,
                    ],
                    overload: Refuse,
                    connections_max: 10000,
                    workers: None,
                    drain: 30s,
                }"#]],
        );
        check(
            r#"
admin: 127.0.0.1:9091
listen: ["127.0.0.1:1344", "[::1]:1344"]
categories: lists
overload: "204"
connections_max: 64
workers: 2
drain_s: 5
"#,
            expect![[r#"
                Config {
                    admin: Some(
                        127.0.0.1:9091,
                    ),
                    listen: [
                        127.0.0.1:1344,
                        [::1]:1344,
                    ],
                    overload: Pass,
                    connections_max: 64,
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
            weir.yaml:1:2: error: `listens` is not a key here; use `admin`, `listen`, `categories`, `overload`, `connections_max`, `workers` or `drain_s`
        "#]],
        );
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let mut remarks = Remarks::new("weir.yaml");
        let config = match policy::written::read::<Section>("weir.yaml", text) {
            Ok(section) => section.into_config(&mut remarks),
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
