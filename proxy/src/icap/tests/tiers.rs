//! Several endpoints: balance, backups, and a second one where the first fails or is slow.

use std::net::SocketAddr;

use super::*;
use crate::config::TierRole;

const BUSY: &str = "ICAP/1.0 503 Overloaded\r\n\r\n";

fn tier(peers: &[&Peer], role: TierRole) -> IcapTier {
    IcapTier {
        endpoints: peers.iter().map(|peer| service(peer)).collect(),
        role,
    }
}

fn start(tiers: Vec<IcapTier>) -> Client {
    Client::start(&within(PATIENCE, tiers))
}

/// Asks so many questions, so many of them at a time, all different and all to be answered.
async fn ask_many(client: &Client, count: usize, at_once: usize) {
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..count {
        if asking.len() == at_once {
            asking.join_next().await;
        }
        let answer = client.ask(&format!("http://a.example/{number}"));
        asking.spawn(async move {
            let answer = answer.await.unwrap();
            assert_eq!(answer.categories[0].as_ref(), number.to_string());
        });
    }
    asking.join_all().await;
}

#[tokio::test]
async fn the_endpoints_of_a_tier_share_its_load() {
    let (first, second) = (Peer::start(echo).await, Peer::start(echo).await);
    let client = start(vec![tier(&[&first, &second], TierRole::Regular)]);
    all_are_up(&client, 2).await;
    ask_many(&client, 200, 1).await;
    for peer in [&first, &second] {
        let share = peer.questions().len();
        assert!((60..=140).contains(&share), "{share} of 200");
    }
}

#[tokio::test]
async fn a_weight_is_a_share() {
    let (first, second) = (Peer::start(echo).await, Peer::start(echo).await);
    let mut tier = tier(&[&first, &second], TierRole::Regular);
    tier.endpoints[0].weight = 9;
    let client = start(vec![tier]);
    all_are_up(&client, 2).await;
    ask_many(&client, 200, 1).await;
    let share = first.questions().len();
    assert!((150..200).contains(&share), "{share} of 200");
}

#[tokio::test]
async fn a_slow_endpoint_is_asked_less() {
    let slow = Peer::start(|seen| {
        let name = seen.uri.rsplit('/').next().unwrap();
        Act::SayLater(Duration::from_millis(400), found(name))
    })
    .await;
    let quick = Peer::start(echo).await;
    let client = start(vec![tier(&[&slow, &quick], TierRole::Regular)]);
    all_are_up(&client, 2).await;
    ask_many(&client, 200, 8).await;
    let (slow, quick) = (slow.questions().len(), quick.questions().len());
    assert!(
        slow * 3 < quick,
        "{slow} to the slow one, {quick} to the quick one"
    );
}

#[tokio::test]
async fn a_stalled_endpoint_does_not_cost_the_deadline_of_who_could_ask_another() {
    let stalled = Peer::start(|_| Act::Stall).await;
    let good = Peer::start(echo).await;
    let shared = vec![tier(&[&stalled, &good], TierRole::Regular)];
    let ordered = vec![service(&stalled).into(), service(&good).into()];
    for (tiers, opens) in [(shared, false), (ordered, true)] {
        let client = Client::start(&within(Duration::from_secs(1), tiers));
        all_are_up(&client, 2).await;
        let mut is_left_out = false;
        for _ in 0..4 * health::FAILURES_MAX {
            ask_many(&client, 1, 1).await;
            is_left_out |= client.metrics.endpoints_up.get() == 1;
        }
        assert!(client.metrics.hedges.get() > 0);
        // Of two that share a load, one with questions outstanding is asked less anyway.
        assert!(!opens || is_left_out);
    }
}

#[tokio::test]
async fn an_answer_after_half_of_the_time_is_no_failure() {
    let deadline = Duration::from_secs(1);
    let late = Peer::start(move |seen| {
        let name = seen.uri.rsplit('/').next().unwrap();
        Act::SayLater(deadline * 6 / 10, found(name))
    })
    .await;
    let quick = Peer::start(echo).await;
    let tiers = vec![service(&late).into(), service(&quick).into()];
    let client = Client::start(&within(deadline, tiers));
    all_are_up(&client, 2).await;
    ask_many(&client, 2 * health::FAILURES_MAX as usize, 1).await;
    sleep(deadline).await;
    assert_eq!(client.metrics.endpoints_up.get(), 2);
    // Its answers went to nobody, and its connections are as good as new.
    ask_many(&client, 2 * health::FAILURES_MAX as usize, 4).await;
}

#[tokio::test]
async fn a_question_goes_to_two_endpoints_at_most() {
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.push(Peer::start(|_| Act::Say(BUSY.to_owned())).await);
    }
    let all: Vec<&Peer> = peers.iter().collect();
    let client = start(vec![tier(&all, TierRole::Regular)]);
    all_are_up(&client, 4).await;
    let error = client.ask("http://a.example/").await.unwrap_err();
    assert_eq!(error, AskError::Overload);
    let asked: usize = peers.iter().map(|peer| peer.questions().len()).sum();
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn the_second_endpoint_leaves_time_for_a_third_that_could_be_asked() {
    let busy = Peer::start(|_| Act::Say(BUSY.to_owned())).await;
    // Nothing is known of it yet, so questions wait for its OPTIONS.
    let unknown = Peer::start_at("127.0.0.1:0".parse().unwrap(), |_| Act::Stall).await;
    let good = Peer::start(echo).await;
    let tiers = [&busy, &unknown, &good].map(|peer| service(peer).into());
    let client = Client::start(&within(Duration::from_secs(2), tiers.into()));
    all_are_up(&client, 2).await;
    assert_eq!(
        client.categories("http://a.example/x").await,
        Ok(vec!["x".to_owned()])
    );
    assert_eq!((busy.questions().len(), unknown.questions().len()), (1, 0));
}

#[tokio::test]
async fn what_another_would_say_too_is_asked_once() {
    let refusing = Peer::start(|_| Act::Say("ICAP/1.0 404 x\r\n\r\n".to_owned())).await;
    let good = Peer::start(echo).await;
    let client = start(vec![service(&refusing).into(), service(&good).into()]);
    all_are_up(&client, 2).await;
    let error = client.ask("http://a.example/").await.unwrap_err();
    assert_eq!((error, good.questions().len()), (AskError::Status, 0));
}

#[tokio::test]
async fn a_backup_is_asked_only_while_nobody_else_can_be() {
    let (busy, backup) = (
        Peer::start(|_| Act::Say(BUSY.to_owned())).await,
        Peer::start(echo).await,
    );
    let client = start(vec![
        service(&busy).into(),
        tier(&[&backup], TierRole::Backup),
    ]);
    all_are_up(&client, 2).await;
    for _ in 1..health::FAILURES_MAX {
        let error = client.ask("http://a.example/x").await.unwrap_err();
        assert_eq!(error, AskError::Overload);
    }
    assert_eq!(backup.questions().len(), 0, "busy is not gone");
    // The next failure opens the breaker, for a second or so.
    ask_many(&client, 3, 1).await;
    assert_eq!(backup.questions().len(), 3);
}

#[tokio::test]
async fn a_backup_stands_in_for_those_that_have_no_connection_free() {
    let offer = OFFER.replace("Preview: 0", "Max-Connections: 1");
    let full = Peer::start_at("127.0.0.1:0".parse().unwrap(), move |seen| {
        match seen.method {
            icap::Method::Options => Act::Say(offer.clone()),
            icap::Method::Reqmod | icap::Method::Respmod => {
                let name = seen.uri.rsplit('/').next().unwrap();
                Act::SayLater(Duration::from_millis(2_100), found(name))
            }
        }
    })
    .await;
    let backup = Peer::start(echo).await;
    let tiers = vec![service(&full).into(), tier(&[&backup], TierRole::Backup)];
    let client = Client::start(&within(Duration::from_secs(6), tiers));
    all_are_up(&client, 2).await;
    // One after the other they would take more than half of the deadline, and than all of it.
    ask_many(&client, 4, 4).await;
    assert_eq!(backup.questions().len(), 2);
}

#[tokio::test]
async fn a_backup_stands_in_for_those_that_are_not_there() {
    let (gone, backup) = (Peer::start(echo).await, Peer::start(echo).await);
    let client = start(vec![
        service(&gone).into(),
        tier(&[&backup], TierRole::Backup),
    ]);
    all_are_up(&client, 2).await;
    ask_many(&client, 10, 1).await;
    assert_eq!(backup.questions().len(), 0);
    let address: SocketAddr = gone.address;
    drop(gone);
    ask_many(&client, 10, 1).await;
    assert_eq!(backup.questions().len(), 10, "not one question is lost");
    let back = Peer::start_at(address, |seen| match seen.method {
        icap::Method::Options => Act::Say(OFFER.to_owned()),
        icap::Method::Reqmod | icap::Method::Respmod => echo(seen),
    })
    .await;
    let started = Instant::now();
    while back.questions().is_empty() {
        assert!(started.elapsed() < PATIENCE);
        ask_many(&client, 1, 1).await;
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the first OPTIONS of so many endpoints are back.
async fn all_are_up(client: &Client, count: i64) {
    let started = Instant::now();
    while client.metrics.endpoints_up.get() < count {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5)).await;
    }
}
