//! Equal questions at the same time.

use super::*;
use crate::icap::flights::FOLLOWERS_MAX;

/// How long an answer takes, so that questions meet.
const WHILE: Duration = Duration::from_millis(300);

fn facts(client: &str, subscriber: Option<&str>) -> AskFacts {
    AskFacts {
        client: Some(client.parse().unwrap()),
        server: None,
        subscriber: subscriber.map(Into::into),
    }
}

/// Asks with these facts.
async fn ask(client: &Client, facts: AskFacts) -> Result<Answer, AskError> {
    let uri = NormalUri::parse(b"http://a.example/x").unwrap();
    client.icap.ask(uri, facts, client.icap.deadline()).await
}

#[tokio::test]
async fn equal_questions_share_one_exchange() {
    let peer = Peer::start(|_| Act::SayLater(WHILE, found("right"))).await;
    let client = Client::of(&peer);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        asking.spawn(client.ask("http://a.example/x"));
    }
    for answer in asking.join_all().await {
        assert_eq!(answer.unwrap().categories[0].as_ref(), "right");
    }
    assert_eq!(peer.questions().len(), 1);
    assert_eq!(client.metrics.shared.get(), 49);
    // Nothing is kept: the next one is asked.
    assert!(client.ask("http://a.example/x").await.is_ok());
    assert_eq!(peer.questions().len(), 2);
}

#[tokio::test]
async fn who_asks_is_part_of_the_question() {
    let peer = Peer::start(|seen| {
        let line = seen
            .text
            .lines()
            .find(|line| line.starts_with("X-Client-IP: "));
        Act::SayLater(WHILE, found(&line.unwrap().replace("X-Client-IP: ", "")))
    })
    .await;
    let client = Client::of(&peer);
    let (one, two, three, again) = tokio::join!(
        ask(&client, facts("10.0.0.1", None)),
        ask(&client, facts("10.0.0.2", None)),
        ask(&client, facts("10.0.0.1", Some("7"))),
        ask(&client, facts("10.0.0.1", None)),
    );
    let names = [one, two, three, again].map(|answer| answer.unwrap().categories[0].to_string());
    assert_eq!(names, ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"]);
    assert_eq!(peer.questions().len(), 3);
}

#[tokio::test]
async fn a_failure_is_shared_once_and_not_kept() {
    let peer = Peer::start(|seen| match seen.question {
        0 => Act::SayLater(WHILE, "ICAP/1.0 500 Error\r\n\r\n".to_owned()),
        _ => Act::Say(found("right")),
    })
    .await;
    let client = Client::of(&peer);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        asking.spawn(client.ask("http://a.example/x"));
    }
    for answer in asking.join_all().await {
        assert_eq!(answer.unwrap_err(), AskError::Status);
    }
    assert_eq!(peer.questions().len(), 1);
    let right = Ok(vec!["right".to_owned()]);
    assert_eq!(client.categories("http://a.example/x").await, right);
}

#[tokio::test]
async fn an_asker_that_leaves_does_not_take_the_answer_along() {
    let peer = Peer::start(|_| Act::SayLater(WHILE, found("right"))).await;
    let client = Client::of(&peer);
    let leader = tokio::spawn(client.ask("http://a.example/x"));
    while peer.questions().is_empty() {
        tokio::task::yield_now().await;
    }
    let follower = tokio::spawn(client.ask("http://a.example/x"));
    while client.icap.queue.capacity() < QUEUE_LEN_MAX {
        tokio::task::yield_now().await;
    }
    leader.abort();
    let answer = follower.await.unwrap();
    assert_eq!(answer.unwrap().categories[0].as_ref(), "right");
    assert_eq!(peer.questions().len(), 1);
}

/// What a question meets in the flights, without a peer.
struct Row {
    flights: Arc<Flights>,
    start: Instant,
    leads: Vec<(Lead, Reply)>,
    waiting: Vec<oneshot::Receiver<Result<Answer, AskError>>>,
}

impl Row {
    fn new() -> Self {
        Self {
            flights: Arc::default(),
            start: Instant::now(),
            leads: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Asks at some time under some generation. True: it is to be asked.
    fn asks(&mut self, at_ms: u64, generation: u64) -> bool {
        let now = self.start + Duration::from_millis(at_ms);
        let asked = Asked {
            subject: Arc::new(Subject {
                uri: NormalUri::parse(b"http://a.example/").unwrap(),
                facts: AskFacts::default(),
            }),
            deadline: now + Duration::from_millis(100),
        };
        let (reply, waiting) = oneshot::channel();
        self.waiting.push(waiting);
        let lead = self.flights.take_up(asked, reply, generation, now);
        let is_lead = lead.is_some();
        self.leads.extend(lead);
        is_lead
    }
}

#[test]
fn who_asks_after_a_change_is_not_given_an_older_answer() {
    let mut row = Row::new();
    assert!(row.asks(0, 1));
    assert!(!row.asks(1, 1));
    assert!(row.asks(2, 2));
    assert!(!row.asks(3, 2));
    // Both have their own followers, whichever lands first.
    let followers: Vec<usize> = row
        .leads
        .iter()
        .map(|(lead, _)| lead.land().len())
        .collect();
    assert_eq!(followers, [1, 1]);
    assert_eq!(row.flights.len(), 0);
}

#[test]
fn who_has_much_time_left_does_not_share_the_end_of_anothers() {
    let mut row = Row::new();
    assert!(row.asks(0, 1));
    assert!(!row.asks(50, 1));
    assert!(row.asks(51, 1));
    assert!(!row.asks(52, 1));
}

#[test]
fn followers_are_limited() {
    let mut row = Row::new();
    assert!(row.asks(0, 1));
    for _ in 0..FOLLOWERS_MAX {
        assert!(!row.asks(0, 1));
    }
    assert!(row.asks(0, 1));
    assert_eq!(row.leads[0].0.land().len(), FOLLOWERS_MAX);
    assert_eq!(row.flights.len(), 1, "the newer one is still there");
}

#[test]
fn a_question_that_nobody_waits_for_is_given_up() {
    let mut row = Row::new();
    assert!(row.asks(0, 1));
    assert!(!row.asks(0, 1));
    let asker = row.waiting.remove(0);
    drop(asker);
    let (lead, reply) = row.leads.remove(0);
    assert!(!lead.is_unwanted(&reply), "a follower waits");
    row.waiting.clear();
    assert!(lead.is_unwanted(&reply));
    assert_eq!(row.flights.len(), 0);
}
