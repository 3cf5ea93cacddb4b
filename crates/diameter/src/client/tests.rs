use super::*;
use crate::command::{Capabilities, CreditControlRequest, RequestType, SessionRequest};
use crate::name::{self, application, result};
use crate::peer::BackOff;
use crate::{Avp, Identity};

#[test]
fn an_answer_is_tied_to_its_request() {
    let mut world = World::open(1);
    world.ask("a");
    let asked = world.sent(0);
    world.hear(0, answer(&asked));
    assert_eq!(world.done(), ["answered a"]);
    world.hear(0, answer(&asked));
    assert_eq!(world.done(), ["stray"], "the second is no answer any more");
}

#[test]
fn both_ids_and_the_command_have_to_agree() {
    let spoil: [fn(&mut Message); 3] = [
        |it| it.header.hop_by_hop = it.header.hop_by_hop.wrapping_add(1),
        |it| it.header.end_to_end = it.header.end_to_end.wrapping_add(1),
        |it| it.header.command = name::command_code::RE_AUTH,
    ];
    for spoil in spoil {
        let mut world = World::open(1);
        world.ask("a");
        let mut spoilt = answer(&world.sent(0));
        spoil(&mut spoilt);
        world.hear(0, spoilt);
        assert_eq!(world.done(), ["stray"]);
        assert_eq!(world.client.pending(), 1);
    }
}

#[test]
fn the_answer_of_another_peer_is_none() {
    let mut world = World::open(2);
    world.ask("a");
    let asked = world.sent(0);
    world.hear(1, answer(&asked));
    assert_eq!(world.done(), ["stray"]);
}

#[test]
fn without_an_answer_in_time_a_request_fails() {
    let mut world = World::open(1);
    world.ask("a");
    world.done();
    world.wait(9);
    assert_eq!(world.done(), Vec::<String>::new());
    world.wait(1);
    assert_eq!(world.done(), ["failed a Deadline"]);
}

#[test]
fn without_a_peer_a_request_fails_at_once() {
    let mut world = World::new(1);
    assert_eq!(world.client.room(), 0);
    world.ask("a");
    assert_eq!(world.done().last().unwrap(), "failed a NoPeer");
}

#[test]
fn requests_that_wait_are_bounded() {
    let mut world = World::open(1);
    for _ in 0..PENDING_MAX {
        assert!(world.client.room() > 0);
        world.ask("a");
    }
    assert_eq!(world.client.room(), 0);
    assert_eq!(world.client.request("b", ccr(), world.now), Err(Full));
}

#[test]
fn the_first_peer_is_asked_and_then_the_next() {
    let mut world = World::open(2);
    world.ask("a");
    let first = world.sent(0);
    assert!(!first.header.is_retransmitted());
    world.client.lost(0, world.now);
    assert_eq!(world.peer_acts(0), ["Down"]);
    let second = world.sent(1);
    assert!(second.header.is_retransmitted());
    assert_eq!(second.header.end_to_end, first.header.end_to_end);
    world.hear(1, answer(&second));
    assert_eq!(world.done(), ["answered a"]);
}

#[test]
fn where_every_peer_is_lost_the_request_is() {
    let mut world = World::open(2);
    world.ask("a");
    world.client.lost(0, world.now);
    world.client.lost(1, world.now);
    assert_eq!(world.done().last().unwrap(), "failed a Lost");
}

#[test]
fn what_a_suspect_owes_is_asked_of_another() {
    let mut world = World::open(2);
    world.client.settings.answer = Duration::from_secs(1000);
    world.ask("a");
    let first = world.sent(0);
    // The first is silent, the second is not.
    world.wait(32);
    world.watchdogs_are_answered_by(&[1]);
    world.wait(32);
    world.watchdogs_are_answered_by(&[1]);
    let second = world.resent.take().unwrap();
    assert!(second.header.is_retransmitted());
    assert_eq!(second.header.end_to_end, first.header.end_to_end);
    world.hear(0, answer(&first));
    assert_eq!(world.done(), ["stray", "0: Stands(Ready)"]);
    world.hear(1, answer(&second));
    assert_eq!(world.done(), ["answered a"]);
}

#[test]
fn a_suspect_may_still_answer_where_nobody_else_can() {
    let mut world = World::open(1);
    world.client.settings.answer = Duration::from_secs(1000);
    world.ask("a");
    let first = world.sent(0);
    world.wait(32);
    world.watchdogs_are_answered_by(&[]);
    world.wait(32);
    world.watchdogs_are_answered_by(&[]);
    assert_eq!(world.client.stands(), Standing::Suspect);
    world.hear(0, answer(&first));
    assert_eq!(world.done(), ["answered a", "0: Stands(Ready)"]);
}

#[test]
fn who_cannot_deliver_is_not_the_last_to_be_asked() {
    let mut world = World::open(2);
    world.ask("a");
    let asked = world.sent(0);
    world.hear(
        0,
        asked.answer(result::UNABLE_TO_DELIVER, &identity("dra0")),
    );
    let asked = world.sent(1);
    world.hear(
        1,
        asked.answer(result::UNABLE_TO_DELIVER, &identity("dra1")),
    );
    assert_eq!(world.done(), ["answered a"], "with what the last one said");
}

#[test]
fn a_request_that_comes_again_has_the_same_answer() {
    let mut world = World::open(2);
    let request = rar(7);
    world.hear(0, request.clone());
    let asked = world.asked();
    let reply = asked.request.answer(result::SUCCESS, &identity("weir"));
    world.client.answer(&asked, reply.clone(), world.now);
    assert_eq!(world.sent(0), reply);
    let mut again = request;
    again.header.hop_by_hop = 99;
    again.header.flags |= RETRANSMITTED;
    world.hear(1, again);
    assert_eq!(world.client.act(), Some(ClientAct::Again));
    let second = world.sent(1);
    assert_eq!(second.header.hop_by_hop, 99);
    assert_eq!(second.avps, reply.avps);
    let mut other = rar(7);
    other.avps.retain(|avp| avp.name() != name::ORIGIN_HOST);
    other.avps.push(Avp::mandatory(name::ORIGIN_HOST, "other"));
    world.hear(0, other);
    assert_eq!(world.done(), ["asked"], "ids are those of who asks");
}

#[test]
fn answers_are_kept_for_a_while_and_in_number() {
    let mut recent = Recent::default();
    let now = World::new(1).now;
    for id in 0..=u32::try_from(RECENT_MAX).unwrap() {
        recent.keep(&rar(id), &rar(id).answer(2001, &identity("weir")), now);
    }
    assert!(
        recent.answer(&rar(0), now).is_none(),
        "the oldest goes first"
    );
    assert!(recent.answer(&rar(1), now).is_some());
    assert!(recent.answer(&rar(1), now + RECENT_AGE).is_none());
}

#[test]
fn stopping_says_goodbye_to_all() {
    let mut world = World::open(2);
    world.client.stop(world.now);
    let acts = std::iter::from_fn(|| world.client.act());
    let mut goodbyes: Vec<Message> = acts
        .filter_map(|act| {
            let ClientAct::Peer(_, Act::Send(message)) = act else {
                return None;
            };
            Some(message)
        })
        .collect();
    for place in 0..2 {
        let goodbye = goodbyes.remove(0);
        assert_eq!(goodbye.header.command, name::command_code::DISCONNECT_PEER);
        world.hear(place, goodbye.answer(result::SUCCESS, &identity("dra")));
    }
    assert!(world.client.is_stopped());
    world.ask("a");
    assert_eq!(world.done().last().unwrap(), "failed a NoPeer");
}

const PENDING_MAX: usize = 3;

struct World {
    client: Client<&'static str>,
    now: Instant,
    resent: Option<Message>,
}

impl World {
    fn new(peers: usize) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment is as good as another"
        )]
        let now = Instant::now();
        let peer = Arc::new(PeerSettings {
            own: node("weir"),
            host: None,
            application: application::GX,
            dictionary: Arc::default(),
            watchdog: Duration::from_secs(30),
            setup: Duration::from_secs(5),
            back_off: BackOff {
                first: Duration::from_secs(60),
                max: Duration::from_secs(60),
            },
        });
        let settings = ClientSettings {
            answer: Duration::from_secs(10),
            pending_max: PENDING_MAX,
        };
        let peers = std::iter::repeat_n(peer, peers);
        Self {
            client: Client::new(settings, peers, 1, 7, now),
            now,
            resent: None,
        }
    }

    /// A world in which all peers stand.
    fn open(peers: usize) -> Self {
        let mut world = Self::new(peers);
        world.client.tick(world.now);
        world.done();
        for place in 0..peers {
            let local = "10.0.0.9".parse().unwrap();
            world.client.connected(place, local, world.now);
            let cer = world.sent(place);
            let cea = node("dra").answer(&cer, result::SUCCESS);
            world.hear(place, cea);
            assert_eq!(world.peer_acts(place), ["Ready"]);
        }
        world
    }

    fn ask(&mut self, token: &'static str) {
        self.client.request(token, ccr(), self.now).unwrap();
    }

    fn hear(&mut self, place: usize, message: Message) {
        self.client.received(place, message, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.client.tick(self.now);
    }

    /// Does what is to do; some peers answer watchdogs.
    fn watchdogs_are_answered_by(&mut self, places: &[usize]) {
        while let Some(act) = self.client.act() {
            let ClientAct::Peer(place, Act::Send(message)) = act else {
                continue;
            };
            if message.header.command != name::command_code::DEVICE_WATCHDOG {
                self.resent = Some(message);
            } else if places.contains(&place) {
                self.hear(place, answer(&message));
            }
        }
    }

    #[track_caller]
    fn sent(&mut self, expected: usize) -> Message {
        match self.client.act() {
            Some(ClientAct::Peer(place, Act::Send(message))) if place == expected => message,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn asked(&mut self) -> Asked {
        match self.client.act() {
            Some(ClientAct::Asked(asked)) => asked,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn peer_acts(&mut self, expected: usize) -> Vec<String> {
        match self.client.act() {
            Some(ClientAct::Peer(place, Act::Stands(standing))) if place == expected => {
                vec![format!("{standing:?}")]
            }
            other => panic!("{other:?}"),
        }
    }

    fn done(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.act())
            .map(|act| word(&act))
            .collect()
    }
}

fn word(act: &ClientAct<&str>) -> String {
    match act {
        ClientAct::Peer(place, act) => format!("{place}: {act:?}"),
        ClientAct::Asked(_) => "asked".to_owned(),
        ClientAct::Answered(token, _) => format!("answered {token}"),
        ClientAct::Failed(token, failure) => format!("failed {token} {failure:?}"),
        ClientAct::Stray => "stray".to_owned(),
        ClientAct::Again => "again".to_owned(),
    }
}

fn answer(request: &Message) -> Message {
    request.answer(result::SUCCESS, &identity("pcrf"))
}

fn identity(host: &str) -> Identity {
    Identity {
        host: host.into(),
        realm: "example".into(),
    }
}

fn node(host: &str) -> Capabilities {
    Capabilities {
        identity: identity(host),
        addresses: Vec::new(),
        vendor: 0,
        product: "test".into(),
        state: None,
        vendors: [].into(),
        applications: [application::GX].into(),
    }
}

fn ccr() -> Message {
    let request = CreditControlRequest {
        about: SessionRequest {
            session: "weir;1;2".into(),
            application: application::GX,
            origin: identity("weir"),
            realm: "example".into(),
            host: None,
            state: None,
        },
        kind: RequestType::Initial,
        number: 0,
        avps: Vec::new(),
    };
    request.message()
}

fn rar(end_to_end: u32) -> Message {
    let request = crate::command::ReAuthRequest {
        session: "weir;1;2".into(),
        application: application::GX,
        origin: identity("pcrf"),
        destination: identity("weir"),
        kind: 0,
        avps: Vec::new(),
    };
    let mut message = request.message();
    message.header.end_to_end = end_to_end;
    message
}
