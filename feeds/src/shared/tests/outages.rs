//! What becomes of sessions while the store is away, and after.

use super::*;

#[tokio::test]
async fn sessions_known_keep_working_while_the_store_is_away() {
    if is_missing() {
        return;
    }
    let mut redis = Redis::start(&["--appendonly", "yes"]);
    let watching = Config {
        watch: Watch::Reported,
        ..config(&redis)
    };
    let a = Gateway::up(watching).await;
    let b = Gateway::up(config(&redis)).await;
    let Applied::Opened(record) = a.applied(report("a", &["10.0.0.1/32"], 10)).await else {
        panic!("it opens");
    };
    b.wait_for("10.0.0.1", Some("a")).await;
    assert_eq!(b.id_at("10.0.0.2").await, None);
    redis.kill();
    a.wait_until(false).await;
    b.wait_until(false).await;
    assert_eq!(b.id_at("10.0.0.1").await.as_deref(), Some("a"), "known");
    assert_eq!(b.id_at("10.0.0.2").await, None, "known not to be there");
    let unknown = b.store.lookup("10.0.0.3".parse().unwrap()).answer().await;
    assert_eq!(unknown.unwrap_err(), Unavailable);
    let refused = a.change(report("b", &["10.0.0.4/32"], 10)).await;
    assert_eq!(refused.unwrap_err(), Unstored::Unavailable(Unavailable));
    // What the policy server selects is kept: the latest.
    let key = record.stored_key();
    for profile in ["teen", "child"] {
        let selected = a.change(select(key, profile)).await;
        assert_eq!(selected.unwrap_err(), Unstored::Unavailable(Unavailable));
    }
    assert_eq!(a.metrics.owed.get(), 1);
    redis.start_again();
    a.wait_until(true).await;
    b.wait_until(true).await;
    let selected = async {
        loop {
            let found = b.store.lookup("10.0.0.1".parse().unwrap()).answer().await;
            let found = found.unwrap().expect("it was acknowledged");
            if found.profile.as_deref() == Some("child") {
                return;
            }
            assert_ne!(found.profile.as_deref(), Some("teen"), "not the latest");
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, selected).await.expect("selected in time");
    assert_eq!(b.id_at("10.0.0.3").await, None);
    a.change(report("b", &["10.0.0.4/32"], 10)).await.unwrap();
    assert_eq!(b.id_at("10.0.0.4").await.as_deref(), Some("b"));
}

#[tokio::test]
async fn what_changed_while_a_gateway_was_away_is_asked_anew() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let (a, b) = Gateway::two(&redis).await;
    a.change(report("a", &["10.0.0.1/32"], 10)).await.unwrap();
    b.wait_for("10.0.0.1", Some("a")).await;
    let connections = b.metrics.connections.get();
    b.store.shared.link.lose();
    a.change(report("b", &["10.0.0.1/32"], 11)).await.unwrap();
    let again = async {
        while b.metrics.connections.get() == connections {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("connected in time");
    assert_eq!(b.id_at("10.0.0.1").await.as_deref(), Some("b"));
    redis.call(&["FLUSHALL"]);
    let gone = async {
        while !matches!(
            b.store.lookup("10.0.0.1".parse().unwrap()).answer().await,
            Ok(None)
        ) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("gone in time");
    a.wait_until(true).await;
    let opened = async {
        while a.change(report("c", &["10.0.0.1/32"], 12)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, opened).await.expect("opened in time");
    b.wait_for("10.0.0.1", Some("c")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_store_is_killed() {
    if is_missing() {
        return;
    }
    // With `everysec` Redis answers before it has written as long as its disk is busy.
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start(&durable);
    let patient = Config {
        timeout: PATIENCE,
        ..config(&redis)
    };
    let a = Gateway::up(patient).await;
    let mut acknowledged: Vec<u32> = Vec::new();
    let mut refused = 0;
    let mut reported = 0_u32;
    // A machine that was busy elsewhere may have found nothing under way.
    while reported < 6_000 || refused == 0 {
        assert!(
            reported < 40_000,
            "it was killed while changes were under way"
        );
        let mut answers = Vec::new();
        for n in reported..reported + 2_000 {
            let [_, b, c, d] = n.to_be_bytes();
            let range = format!("10.{b}.{c}.{d}/32");
            let change = report(&format!("s{n}"), &[&range], 10);
            answers.push((n, a.store.change(change, 20)));
        }
        let mut answers = answers.into_iter();
        for (n, answer) in answers.by_ref().take(500) {
            answer.await.unwrap();
            acknowledged.push(n);
        }
        redis.kill();
        for (n, answer) in answers {
            match answer.await {
                Ok(_) => acknowledged.push(n),
                Err(_) => refused += 1,
            }
        }
        a.wait_until(false).await;
        redis.start_again();
        a.wait_until(true).await;
        reported += 2_000;
    }
    for n in &acknowledged {
        let [_, b, c, d] = n.to_be_bytes();
        let id = a.id_at(&format!("10.{b}.{c}.{d}")).await;
        assert_eq!(id, Some(format!("s{n}")), "of {}", acknowledged.len());
    }
    // Whatever became of the others, the same again is harmless.
    for first in (0..reported).step_by(2_000) {
        let again = (first..first + 2_000).map(|n: u32| {
            let [_, b, c, d] = n.to_be_bytes();
            let range = format!("10.{b}.{c}.{d}/32");
            a.store.change(report(&format!("s{n}"), &[&range], 10), 20)
        });
        let again: Vec<_> = again.collect();
        for answer in again {
            let applied = answer.await.unwrap().applied;
            assert!(matches!(applied, Applied::Opened(_) | Applied::Changed(_)));
        }
    }
}

#[tokio::test]
async fn a_store_that_is_full_acknowledges_nothing_more_but_ends() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]);
    let a = Gateway::up(config(&redis)).await;
    let mut opened = Vec::new();
    let full = loop {
        let n = u32::try_from(opened.len()).unwrap();
        let [_, b, c, d] = n.to_be_bytes();
        let range = format!("10.{b}.{c}.{d}/32");
        let change = report(&format!("s{n}"), &[&range], 10);
        match a.change(change).await {
            Ok(_) => opened.push(n),
            Err(unstored) => break unstored,
        }
        assert!(n < 50_000, "it is never full");
    };
    assert_eq!(full, Unstored::Unavailable(Unavailable));
    // Beside what finds no room, the end of a session does.
    let refused = a.store.change(report("more", &["10.99.0.1/32"], 10), 20);
    let ended = a.store.change(close("s0", 11), 20);
    let found = a.store.lookup("10.0.0.1".parse().unwrap()).answer().await;
    assert!(refused.await.is_err());
    assert!(matches!(ended.await.unwrap().applied, Applied::Closed(_)));
    assert!(found.unwrap().is_some());
    assert_eq!(a.id_at("10.0.0.0").await, None);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_nothing_is_known() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&["--requirepass", "right"]);
    let login = |password: &str| Config {
        login: Some(Login {
            user: None,
            password: password.into(),
        }),
        ..config(&redis)
    };
    let right = Gateway::up(login("right")).await;
    let wrong = Gateway::start(login("wrong"));
    right
        .change(report("a", &["10.0.0.1/32"], 10))
        .await
        .unwrap();
    let unknown = wrong
        .store
        .lookup("10.0.0.1".parse().unwrap())
        .answer()
        .await;
    assert_eq!(unknown.unwrap_err(), Unavailable);
    assert!(
        wrong
            .change(report("b", &["10.0.0.2/32"], 10))
            .await
            .is_err()
    );
    assert_eq!(wrong.metrics.connections.get(), 0);
    wrong.stop().await;
}

#[tokio::test]
async fn questions_end_within_the_limit_when_the_store_says_nothing() {
    if is_missing() {
        return;
    }
    let redis = Redis::start(&[]);
    let impatient = Config {
        timeout: Duration::from_millis(100),
        ..config(&redis)
    };
    let a = Gateway::up(impatient).await;
    a.change(report("a", &["10.0.0.1/32"], 10)).await.unwrap();
    assert_eq!(a.id_at("10.0.0.1").await.as_deref(), Some("a"));
    // It sleeps, as it does while a disk or a neighbour holds it up.
    let socket = redis.socket();
    let asleep = std::thread::spawn(move || {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        std::io::Write::write_all(&mut stream, b"CLIENT PAUSE 8000 ALL\r\n").unwrap();
        std::io::Read::read(&mut stream, &mut [0; 64]).unwrap()
    });
    let slow = async {
        loop {
            let began = Instant::now();
            let unknown = a.store.lookup("10.0.0.9".parse().unwrap()).answer().await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(4), "half of the pause: {took:?}");
            if unknown.is_err() {
                return;
            }
            a.store.shared.known.forget(&net("10.0.0.9/32"));
        }
    };
    timeout(PATIENCE, slow).await.expect("it falls asleep");
    assert_eq!(a.id_at("10.0.0.1").await.as_deref(), Some("a"), "known");
    a.wait_until(false).await;
    // The best of a few, as the machine has other work too.
    let mut best = Duration::MAX;
    for _ in 0..5 {
        // An answer that nobody waited for may have come before it fell asleep.
        a.store.shared.known.forget(&net("10.0.0.9/32"));
        let unknown = a.store.lookup("10.0.0.9".parse().unwrap());
        let Lookup::Asking(asking) = unknown else {
            panic!("{unknown:?}");
        };
        let began = Instant::now();
        assert!(asking.await.is_err());
        best = best.min(began.elapsed());
    }
    assert!(best < Duration::from_millis(50), "nobody waits");
    a.wait_until(true).await;
    assert_eq!(a.id_at("10.0.0.9").await, None);
    asleep.join().unwrap();
}
