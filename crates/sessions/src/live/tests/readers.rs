//! What who looks up sees while sessions change.

use super::*;

#[test]
fn readers_always_see_one_of_two_sessions() {
    let live = LiveSessions::new(LIMITS);
    let client = "10.0.0.1".parse().unwrap();
    opened(&live, "s0", &["10.0.0.1/32"], 0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while last < 2_000 {
                let now = live.lookup(client).map(|record| record.changed_s);
                let now = now.expect("an address that changes hands is never without a session");
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
        for n in 1..=2_000 {
            opened(&live, &format!("s{n}"), &["10.0.0.1/32"], n);
        }
        reader.join().unwrap();
    });
}

#[test]
fn no_reader_sees_a_mixture_of_two_sessions() {
    const TURNS: u32 = 200_000;
    let live = LiveSessions::new(LIMITS);
    let clients = ["10.0.0.1", "2001:db8::1"].map(|it| it.parse::<IpAddr>().unwrap());
    let change = |n: u32| {
        let text = format!("{n:015}");
        let name = format!("p{}", n % 100);
        Report {
            msisdn: Digits::new(&text),
            imsi: Digits::new(&text),
            apn: Some(name.clone().into()),
            profile: Some(name.into()),
            ..report(&format!("s{}", n % 2), &["10.0.0.1/32", "2001:db8::/64"], n)
        }
    };
    live.report(&change(0), 0).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = clients.map(|client| {
            let (live, done) = (&live, &done);
            scope.spawn(move || {
                let (mut last, mut seen) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let now = live.lookup(client).expect("there always is one");
                    let name = format!("p{}", now.changed_s % 100);
                    let text = format!("{:015}", now.changed_s);
                    assert_eq!((now.msisdn, now.imsi), (Digits::new(&text), now.msisdn));
                    assert_eq!(now.apn, now.profile);
                    assert_eq!(now.profile.as_deref(), Some(name.as_str()));
                    assert!(now.changed_s >= last, "{} after {last}", now.changed_s);
                    seen += u32::from(now.changed_s > last);
                    last = now.changed_s;
                }
                seen
            })
        });
        for n in 1..TURNS {
            live.report(&change(n), 0).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}
