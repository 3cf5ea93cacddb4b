//! Peers that misbehave: the right failure in time, and never a wrong answer later.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::time::sleep_until;

use super::*;

#[tokio::test]
async fn a_peer_that_stalls_costs_the_deadline_and_no_more() {
    let half = "ICAP/1.0 204 No Content\r\nX-Attrib".to_owned();
    for act in [
        Act::Stall,
        Act::SayInParts("ICAP".to_owned(), half.clone()),
        Act::Say(half),
        Act::Drip("ICAP/1.0 204 ".to_owned() + &"x".repeat(500)),
    ] {
        let script = act.clone();
        let peer = Peer::start(move |_| script.clone()).await;
        check_timeout(&peer, &act).await;
    }
}

#[tokio::test]
async fn a_peer_that_stalls_with_its_options_costs_the_deadline_and_no_more() {
    let peer = Peer::start_at(any(), |_| Act::Stall).await;
    check_timeout(&peer, &Act::Stall).await;
}

#[tokio::test]
async fn a_peer_that_accepts_nothing_costs_the_deadline_and_no_more() {
    let listener = TcpListener::bind(any()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = Client::start(&within(DEADLINE, vec![at(address).into()]));
    costs_the_deadline(&client, "nothing is accepted").await;
}

#[tokio::test]
async fn nobody_there_is_known_at_once() {
    let client = Client::start(&config(&[at(nobody().await)]));
    for _ in 0..20 {
        let started = Instant::now();
        let error = client.ask("http://a.example/").await.unwrap_err();
        assert!(
            matches!(error, AskError::Connect | AskError::BreakerOpen),
            "{error:?}"
        );
        assert!(started.elapsed() < PATIENCE / 2, "nothing is waited for");
    }
}

#[tokio::test]
async fn each_failure_has_its_class() {
    let say = |text: &str| Act::Say(text.to_owned());
    for (act, expected) in [
        (Act::Close, AskError::Connect),
        (Act::Reset, AskError::Connect),
        (
            Act::SayAndClose("ICAP/1.0 204 No".to_owned()),
            AskError::Protocol,
        ),
        (say("junk\r\n\r\n"), AskError::Protocol),
        (say("HTTP/1.1 204 No Content\r\n\r\n"), AskError::Protocol),
        (say("ICAP/1.0 100 Continue\r\n\r\n"), AskError::Protocol),
        (say("ICAP/1.0 200 OK\r\n\r\n"), AskError::Protocol),
        (
            say("ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=7\r\n\r\n"),
            AskError::Protocol,
        ),
        (
            say("ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body=4294967295\r\n\r\n"),
            AskError::Protocol,
        ),
        (
            say(&"ICAP/1.0 204 x\r\nX: y\r\n".repeat(100_000)),
            AskError::Protocol,
        ),
        (say("ICAP/1.0 404 Not Found\r\n\r\n"), AskError::Status),
        (say("ICAP/1.0 500 Error\r\n\r\n"), AskError::Status),
        (say("ICAP/1.0 503 Overloaded\r\n\r\n"), AskError::Overload),
        (
            Act::SayAndClose("ICAP/1.0 503 x\r\nConnection: close\r\n\r\n".to_owned()),
            AskError::Overload,
        ),
    ] {
        let script = act.clone();
        let peer = Peer::start(move |_| script.clone()).await;
        let client = Client::of(&peer);
        let error = client.ask("http://a.example/").await.unwrap_err();
        assert_eq!(error, expected, "{act:?}");
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_never_taken_for_the_next_one() {
    let wrong = found("wrong");
    let body = "ICAP/1.0 200 OK\r\nX-Attribute: right\r\nEncapsulated: req-hdr=0, req-body=18\r\n\r\n\
                GET / HTTP/1.1\r\n\r\n1\r\na\r\n0\r\n\r\n";
    for first in [
        Act::Say(found("right") + "junk"),
        Act::Say(found("right") + "\r\n"),
        Act::Say(found("right") + &wrong),
        Act::SayInParts(found("right"), wrong.clone()),
        Act::Say(body.to_owned() + &wrong),
        Act::SayInParts(body.to_owned(), wrong.clone()),
        Act::Say(body.replace("0\r\n\r\n", "zz\r\n") + &wrong),
        Act::Say("ICAP/1.0 200 OK\r\nX-Attribute: right\r\n\r\n".to_owned() + &wrong),
        Act::Say(
            "ICAP/1.0 204 x\r\nX-Attribute: right\r\nConnection: close\r\n\r\n".to_owned() + &wrong,
        ),
    ] {
        let script = first.clone();
        let peer = Peer::start(move |seen| match seen.question % 2 {
            0 => script.clone(),
            _ => Act::Say(found("right")),
        })
        .await;
        let client = Client::of(&peer);
        for _ in 0..6 {
            let categories = client.categories("http://a.example/").await;
            assert_eq!(categories, Ok(vec!["right".to_owned()]), "{first:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_goes_to_nobody() {
    let peer = Peer::start(|seen| match seen.question {
        0 => Act::Drip(found("late")),
        _ => Act::Say(found("right")),
    })
    .await;
    let client = Client::of(&peer);
    assert_eq!(
        client
            .categories_within(DEADLINE, "http://a.example/")
            .await,
        Err(AskError::Timeout)
    );
    let right = Ok(vec!["right".to_owned()]);
    assert_eq!(client.categories("http://a.example/").await, right);
    assert_eq!(client.categories("http://a.example/").await, right);
}

#[tokio::test]
async fn a_connection_closed_meanwhile_is_replaced() {
    let peer = Peer::start(|_| Act::SayAndClose(found("right"))).await;
    let client = Client::of(&peer);
    for _ in 0..5 {
        assert!(client.ask("http://a.example/").await.is_ok());
    }
    // Closed before or while the question was under way: both are no failure.
    assert_eq!(peer.questions().len(), 5);
}

#[tokio::test]
async fn an_idle_connection_that_ended_is_closed_here_too() {
    let peer = Peer::start(|_| Act::SayAndClose(found("right"))).await;
    let client = Client::of(&peer);
    assert!(client.ask("http://a.example/").await.is_ok());
    let started = Instant::now();
    while client.metrics.connections.get() > 0 {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_question_that_met_a_closing_connection_is_asked_once_more() {
    // The connection that OPTIONS came on ends with the question.
    let peer = Peer::start(|seen| match seen.connection {
        0 => Act::Close,
        _ => Act::Say(found("right")),
    })
    .await;
    let client = Client::of(&peer);
    assert!(client.ask("http://a.example/").await.is_ok());
    assert_eq!(client.metrics.retries.get(), 1);
    assert_eq!(peer.questions().len(), 2);
}

#[tokio::test]
async fn a_question_is_not_asked_a_third_time() {
    let peer = Peer::start(|_| Act::Close).await;
    let client = Client::of(&peer);
    assert_eq!(
        client.ask("http://a.example/").await.unwrap_err(),
        AskError::Connect
    );
    assert_eq!(peer.questions().len(), 2, "idle connection and fresh one");
}

#[tokio::test]
async fn a_breaker_opens_and_closes_by_itself() {
    let sick = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let state = Arc::clone(&sick);
    let peer = Peer::start_at(any(), move |seen| {
        match (state.load(Ordering::SeqCst), seen.method) {
            (_, icap::Method::Options) if seen.connection == 0 => Act::Say(OFFER.to_owned()),
            (true, _) => Act::Close,
            (false, icap::Method::Options) => Act::Say(OFFER.to_owned()),
            (false, _) => Act::Say(found("right")),
        }
    })
    .await;
    let client = Client::of(&peer);
    for _ in 0..health::FAILURES_MAX {
        assert_eq!(
            client.ask("http://a.example/").await.unwrap_err(),
            AskError::Connect
        );
    }
    assert_eq!(
        client.ask("http://a.example/").await.unwrap_err(),
        AskError::BreakerOpen
    );
    assert_eq!(client.metrics.endpoints_up.get(), 0);
    let asked = peer.questions().len();
    assert_eq!(
        client.ask("http://a.example/").await.unwrap_err(),
        AskError::BreakerOpen
    );
    assert_eq!(peer.questions().len(), asked, "no question is sent");
    sick.store(false, Ordering::SeqCst);
    recovers(&client).await;
    assert_eq!(client.metrics.endpoints_up.get(), 1);
}

#[tokio::test]
async fn a_service_that_answers_options_alone_is_left_out_for_a_while() {
    let first = Peer::start(|_| Act::Stall).await;
    let second = Peer::start(echo).await;
    let tiers = vec![service(&first).into(), service(&second).into()];
    // Half of it is for the second, which answers at once.
    let client = Client::start(&within(Duration::from_secs(1), tiers));
    let (mut failed, mut answered) = (0, 0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        match client.ask("http://a.example/x").await {
            Ok(_) => answered += 1,
            Err(_) => failed += 1,
        }
        sleep(Duration::from_millis(10)).await;
    }
    // Up for 5 failures at the start, and after pauses of 1 s and, perhaps, 2 s.
    assert!(failed <= 3 * health::FAILURES_MAX, "{failed} failed");
    assert!(answered > 20, "{answered} answered");
}

#[tokio::test]
async fn a_busy_service_is_not_taken_for_a_dead_one() {
    // Each question has a connection of its own, so none finds one to use again.
    let offer = OFFER.replace("Preview: 0", "Max-Connections: 1");
    let first = Peer::start_at(any(), move |seen| match seen.method {
        icap::Method::Options => Act::Say(offer.clone()),
        // About half a second.
        icap::Method::Reqmod | icap::Method::Respmod => {
            Act::Drip("ICAP/1.0 204 x\r\nConnection: close\r\n\r\n".to_owned())
        }
    })
    .await;
    let second = Peer::start(echo).await;
    let tiers = vec![service(&first).into(), service(&second).into()];
    let client = Client::start(&within(Duration::from_secs(4), tiers));
    for _ in 0..2 {
        let uris = (0..20).map(|number| format!("http://a.example/{number}"));
        let asking: Vec<_> = uris.map(|uri| client.ask(&uri)).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for ask in asking {
            tasks.spawn(ask);
        }
        let answers = tasks.join_all().await;
        assert!(
            answers.iter().all(Result::is_ok),
            "the second has time for all"
        );
        assert_eq!(first.probes(), 1, "its breaker did not open");
    }
}

#[tokio::test]
async fn statuses_do_not_open_the_breaker() {
    let peer = Peer::start(|seen| match seen.uri.ends_with("/bad") {
        true => Act::Say("ICAP/1.0 500 Error\r\n\r\n".to_owned()),
        false => echo(seen),
    })
    .await;
    let client = Client::of(&peer);
    for _ in 0..3 * health::FAILURES_MAX {
        assert_eq!(
            client.ask("http://a.example/bad").await.unwrap_err(),
            AskError::Status
        );
    }
    assert!(client.ask("http://a.example/good").await.is_ok());
}

#[tokio::test]
async fn a_restarted_endpoint_is_found_again() {
    let peer = Peer::start(echo).await;
    let address = peer.address;
    let client = Client::of(&peer);
    assert!(client.ask("http://a.example/").await.is_ok());
    drop(peer);
    for _ in 0..20 {
        assert!(client.ask("http://a.example/").await.is_err());
    }
    sleep(Duration::from_millis(500)).await;
    let _peer = Peer::start_at(address, |seen| match seen.method {
        icap::Method::Options => Act::Say(OFFER.to_owned()),
        icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
    })
    .await;
    recovers(&client).await;
    assert_eq!(client.generation(), 0, "the tag is the same");
}

#[tokio::test]
async fn too_many_questions_for_the_connections_are_overload() {
    let offer = OFFER.replace("Preview: 0", "Max-Connections: 1");
    let peer = Peer::start_at(any(), move |seen| match seen.method {
        icap::Method::Options => Act::Say(offer.clone()),
        icap::Method::Reqmod | icap::Method::Respmod => Act::Stall,
    })
    .await;
    let deadline = Duration::from_secs(1);
    let client = Client::start(&within(deadline, vec![service(&peer).into()]));
    // On a machine that is busy at the deadline, the reason may come too late: so more than once.
    for _ in 1..health::FAILURES_MAX {
        let (first, second) = (
            client.ask("http://a.example/1"),
            client.ask("http://a.example/2"),
        );
        let (first, second) = tokio::join!(first, second);
        let mut errors = [first.unwrap_err(), second.unwrap_err()];
        errors.sort();
        if errors == [AskError::Timeout, AskError::Overload] {
            return;
        }
        assert_eq!(errors, [AskError::Timeout; 2]);
    }
    panic!("no overload");
}

#[tokio::test]
async fn a_queue_that_is_late_makes_few_connections() {
    let offer = OFFER.replace("Preview: 0", "Max-Connections: 1");
    let peer = Peer::start_at(any(), move |seen| match seen.method {
        icap::Method::Options => Act::Say(offer.clone()),
        icap::Method::Reqmod | icap::Method::Respmod => Act::Stall,
    })
    .await;
    let client = Client::in_haste(&peer);
    let mut tasks = tokio::task::JoinSet::new();
    let start = Instant::now();
    for number in 0..40 {
        let answer = client.ask(&format!("http://a.example/{number}"));
        tasks.spawn(answer);
        sleep_until(start + Duration::from_millis(3) * number).await;
    }
    assert!(tasks.join_all().await.iter().all(Result::is_err));
    // One that was given up is closed, and each of the others has an eighth of its time left.
    let took = start.elapsed();
    let max = 3 + took.as_micros() / (DEADLINE / 8).as_micros();
    let made = peer.connections();
    assert!(made as u128 <= max, "{made} in {took:?}");
}

#[tokio::test]
async fn a_full_queue_is_overload_at_once() {
    let peer = Peer::start(|_| Act::Stall).await;
    let client = Client::in_haste(&peer);
    let mut asking = tokio::task::JoinSet::new();
    let started = Instant::now();
    for number in 0..QUEUE_LEN_MAX + ASKING_MAX + 100 {
        let icap = client.icap.clone();
        let uri = NormalUri::parse(format!("http://a.example/{number}").as_bytes()).unwrap();
        asking.spawn(async move { icap.ask(uri, AskFacts::default(), icap.deadline()).await });
    }
    let answers = asking.join_all().await;
    // Two thousand questions at once are more than a busy machine ends to the millisecond.
    assert!(started.elapsed() < PATIENCE);
    let overloads = answers
        .iter()
        .filter(|answer| matches!(answer, Err(AskError::Overload)));
    assert!(overloads.count() >= 100);
    assert!(answers.iter().all(Result::is_err));
}

#[tokio::test]
async fn the_next_service_is_asked() {
    let closing = Peer::start(|_| Act::Close).await;
    let overloaded = Peer::start(|_| Act::Say("ICAP/1.0 503 Overloaded\r\n\r\n".to_owned())).await;
    for first in [at(nobody().await), service(&closing), service(&overloaded)] {
        let second = Peer::start(echo).await;
        let client = Client::start(&config(&[first, service(&second)]));
        // The last ones find the breaker of the first service open.
        for _ in 0..2 * health::FAILURES_MAX {
            let categories = client.categories("http://a.example/x").await;
            assert_eq!(categories, Ok(vec!["x".to_owned()]));
        }
    }
}

#[tokio::test]
async fn a_service_that_stalls_is_left_out_after_a_while() {
    let first = Peer::start_at(any(), |_| Act::Stall).await;
    let second = Peer::start(echo).await;
    let tiers = vec![service(&first).into(), service(&second).into()];
    let client = Client::start(&within(Duration::from_secs(1), tiers));
    // Half of the deadline is left for the second while the first has not answered its OPTIONS.
    for _ in 0..10 {
        assert!(client.ask("http://a.example/x").await.is_ok());
    }
}

async fn check_timeout(peer: &Peer, act: &Act) {
    costs_the_deadline(&Client::in_haste(peer), &format!("{act:?}")).await;
}

/// Checks that questions fail by their deadline. Whatever else the machine does meanwhile, the best
/// of them shows what the client itself takes.
pub(super) async fn costs_the_deadline(client: &Client, what: &str) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let error = client.ask("http://a.example/").await.unwrap_err();
        best = best.min(started.elapsed());
        assert_eq!(error, AskError::Timeout, "{what}");
    }
    assert!(best < DEADLINE + LATE_MAX, "{best:?}: {what}");
}

/// Waits until questions are answered again.
async fn recovers(client: &Client) {
    let started = Instant::now();
    while client.ask("http://a.example/").await.is_err() {
        assert!(started.elapsed() < PATIENCE, "no recovery");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns an address that nobody listens on.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind(any()).await.unwrap();
    listener.local_addr().unwrap()
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn at(address: SocketAddr) -> IcapService {
    IcapService {
        uri: format!("icap://{address}/categorize"),
        endpoint: Way::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        },
        weight: 1,
    }
}
