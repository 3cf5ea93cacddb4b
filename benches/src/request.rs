//! All that is done for one request by the pure parts, when the cache decides.

use std::hint::black_box;
use std::sync::Arc;

use client_hello::Peek;
use filter::{Decision, Rules, Source};
use uri::Readings;

use crate::cache::Worker;
use crate::{Subject, head, hello, list, session};

pub(crate) fn subjects() -> Vec<Subject> {
    let worker = || {
        let policy = Arc::new(list::policy());
        let rules = Rules {
            policy,
            policy_generation: 1,
            icap_generation: 1,
            now: None,
        };
        Worker::new(rules, "asking", 65_536)
    };
    vec![
        decided_by_cache("request/HTTP, from head to decision", worker(), || {
            head::head().readings(black_box(Some(80))).unwrap()
        }),
        decided_by_cache("request/TLS, from hello to decision", worker(), tls()),
    ]
}

fn tls() -> impl Fn() -> Readings {
    let bytes = hello::typical();
    move || match hello::peek(&bytes) {
        Peek::Hello(hello) => Readings::of_sni(&hello.sni.unwrap(), 443).unwrap(),
        other @ (Peek::NeedMore | Peek::NotTls | Peek::Unreadable(_)) => panic!("{other:?}"),
    }
}

fn decided_by_cache(
    name: &'static str,
    mut worker: Worker,
    read: impl Fn() -> Readings + 'static,
) -> Subject {
    let (directory, mut clients) = session::clients();
    assert_eq!(worker.ask(&read()).source, Source::Icap);
    let mut decide = move || -> Decision {
        let session = directory.configured(*clients.take()).unwrap();
        black_box(directory.profile_name(Some(session)));
        worker.local(&read())
    };
    assert_eq!(decide().source, Source::Cache);
    Subject::new(name, decide)
}
