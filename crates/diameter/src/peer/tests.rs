use super::*;
use crate::command::{CreditControlRequest, ReAuthRequest, RequestType, SessionRequest};
use crate::{AvpName, Fields, Identity};

#[test]
fn who_is_connected_says_its_state_before_anything_is_asked_of_it() {
    let mut world = World::connected();
    world.hear_cea(&their(), result::SUCCESS);
    let host = Act::Host("pcrf.policy.example".into(), 77);
    assert_eq!(world.peer.act(), Some(host));
    assert_eq!(world.done(), ["Ready"]);
    let ask = WatchdogRequest {
        origin: their().identity,
        state: Some(78),
    };
    world.hear(ask.message());
    let host = Act::Host("pcrf.policy.example".into(), 78);
    assert_eq!(world.peer.act(), Some(host));
}

#[test]
fn capabilities_are_exchanged_first() {
    let mut world = World::new();
    assert_eq!(world.done(), ["connect"]);
    assert_eq!(world.peer.request(ccr()), None, "nothing is sent before");
    world.peer.connected("10.0.0.9".parse().unwrap(), world.now);
    let cer = world.sent();
    world.hop = cer.header.hop_by_hop;
    let cer = Capabilities::read_request(&cer).unwrap();
    assert_eq!(cer.addresses, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
    world.hear_cea(&their(), result::SUCCESS);
    assert_eq!(world.done(), ["Ready"]);
    assert!(world.peer.request(ccr()).is_some());
    assert_eq!(world.done(), ["send 272 request"]);
}

#[test]
fn what_is_no_good_cea_ends_the_connection() {
    let mut other = their();
    other.identity.host = "other.example".into();
    let mut useless = their();
    useless.applications = [4].into();
    let mut relay = their();
    relay.applications = [application::RELAY].into();
    let rows = [
        (their(), 3010, "close Refused"),
        (other, result::SUCCESS, "close OtherHost"),
        (useless, result::SUCCESS, "close NoCommonApplication"),
        (relay, result::SUCCESS, "Ready"),
    ];
    for (capabilities, result, expected) in rows {
        let mut world = World::connected();
        world.hear_cea(&capabilities, result);
        assert_eq!(world.done(), [expected]);
    }
    let mut world = World::connected();
    world.hear(ccr());
    assert_eq!(world.done(), ["close NoCapabilities"]);
}

#[test]
fn a_cea_to_another_cer_is_none() {
    let mut world = World::connected();
    let mut cea = their().answer(&their().request(), result::SUCCESS);
    cea.header.hop_by_hop = world.hop.wrapping_add(1);
    world.hear(cea);
    assert_eq!(world.done(), ["close NoCapabilities"]);
}

#[test]
fn the_host_is_compared_without_case() {
    let mut world = World::connected();
    let mut their = their();
    their.identity.host = "PCRF.Policy.Example".into();
    world.hear_cea(&their, result::SUCCESS);
    assert_eq!(world.done(), ["Ready"]);
}

#[test]
fn transport_and_cea_have_a_deadline() {
    let mut world = World::new();
    world.done();
    world.wait(5);
    assert_eq!(world.done(), ["close SetupDeadline"]);
    let mut world = World::connected();
    world.wait(5);
    assert_eq!(world.done(), ["close SetupDeadline"]);
    world.wait(1);
    assert_eq!(world.done(), ["connect"]);
}

#[test]
fn a_peer_that_does_not_come_is_dialled_less_and_less() {
    let mut world = World::new();
    let mut waits = Vec::new();
    for _ in 0..7 {
        assert_eq!(world.done(), ["connect"]);
        world.peer.lost(world.now);
        let wait = world.peer.wakes().unwrap() - world.now;
        waits.push(wait.as_secs_f64().ceil());
        world.wait(30);
    }
    assert!(waits[..6].is_sorted(), "{waits:?}");
    assert!(waits[0] <= 1.0 && waits[6] > 22.0, "{waits:?}");
}

#[test]
fn watchdogs_are_answered() {
    let mut world = World::open();
    let ask = WatchdogRequest {
        origin: their().identity,
        state: None,
    };
    world.hear(ask.message());
    let answer = world.sent();
    assert_eq!(answer.header.command, command_code::DEVICE_WATCHDOG);
    let state = answer.avps.required(name::ORIGIN_STATE_ID).unwrap();
    assert_eq!(state.number(), Ok(77));
}

#[test]
fn a_silent_peer_is_asked_suspected_and_left() {
    let mut world = World::open();
    world.wait(32);
    assert_eq!(world.done(), ["send 280 request"]);
    world.wait(32);
    assert_eq!(world.done(), ["Suspect"]);
    world.wait(32);
    assert_eq!(world.done(), ["close Silent", "Down"]);
}

#[test]
fn any_word_of_a_suspect_is_enough() {
    let mut world = World::open();
    world.wait(32);
    world.wait(32);
    assert_eq!(world.done().last().unwrap(), "Suspect");
    world.hear(ccr().answer(result::SUCCESS, &their().identity));
    assert_eq!(world.done(), ["answer 272", "Ready"]);
}

#[test]
fn an_answered_watchdog_is_asked_again() {
    let mut world = World::open();
    for _ in 0..3 {
        world.wait(32);
        let ask = world.sent();
        world.hear(ask.answer(result::SUCCESS, &their().identity));
        assert_eq!(world.done(), Vec::<String>::new());
    }
}

#[test]
fn a_peer_that_was_lost_answers_three_watchdogs_before_it_is_trusted() {
    let mut world = World::open();
    world.peer.lost(world.now);
    assert_eq!(world.done(), ["Down"]);
    world.wait(1);
    assert_eq!(world.done(), ["connect"]);
    world.connect();
    world.hear_cea(&their(), result::SUCCESS);
    assert_eq!(world.done(), ["Reopening"]);
    for count in 1..=3 {
        world.wait(32);
        let ask = world.sent();
        world.hear(ask.answer(result::SUCCESS, &their().identity));
        let expected: &[&str] = if count == 3 { &["Ready"] } else { &[] };
        assert_eq!(world.done(), expected, "{count}");
    }
}

#[test]
fn a_returned_peer_that_stays_silent_is_left() {
    let mut world = World::open();
    world.peer.lost(world.now);
    world.wait(1);
    world.done();
    world.connect();
    world.hear_cea(&their(), result::SUCCESS);
    world.wait(0);
    assert_eq!(world.done(), ["Reopening", "send 280 request"]);
    world.wait(32);
    assert_eq!(world.done(), Vec::<String>::new());
    world.wait(32);
    assert_eq!(world.done(), ["close Silent", "Down"]);
}

#[test]
fn who_says_goodbye_is_dialled_again_after_a_while() {
    for (cause, back_after) in [
        (DisconnectCause::Rebooting, 1),
        (DisconnectCause::Busy, 30),
        (DisconnectCause::DoNotWantToTalk, 30),
    ] {
        let mut world = World::open();
        let goodbye = DisconnectRequest {
            origin: their().identity,
            cause,
        };
        world.hear(goodbye.message());
        assert_eq!(world.done(), ["send 282 answer", "close AskedTo", "Down"]);
        let wait = world.peer.wakes().unwrap() - world.now;
        let bound = Duration::from_secs(back_after);
        assert!(
            (bound * 3 / 4..=bound).contains(&wait),
            "{cause:?} {wait:?}"
        );
        // The transport ends too, which changes nothing.
        world.peer.lost(world.now);
        assert_eq!(world.peer.wakes().unwrap() - world.now, wait);
    }
}

#[test]
fn we_say_goodbye_and_wait_for_it() {
    let mut world = World::open();
    world.peer.stop(world.now);
    let goodbye = world.sent();
    assert_eq!(goodbye.header.command, command_code::DISCONNECT_PEER);
    assert_eq!(world.done(), ["Down"]);
    assert_eq!(world.peer.request(ccr()), None);
    // An answer that was on its way is still taken.
    world.hear(ccr().answer(result::SUCCESS, &their().identity));
    assert_eq!(world.done(), ["answer 272"]);
    assert!(!world.peer.is_stopped());
    world.hear(goodbye.answer(result::SUCCESS, &their().identity));
    assert_eq!(world.done(), ["close Stopped"]);
    assert!(world.peer.is_stopped());
    world.wait(100);
    assert_eq!(world.done(), Vec::<String>::new());
}

#[test]
fn a_goodbye_without_an_answer_ends_all_the_same() {
    let mut world = World::open();
    world.peer.stop(world.now);
    world.done();
    world.wait(5);
    assert_eq!(world.done(), ["close SetupDeadline"]);
    assert!(world.peer.is_stopped());
}

#[test]
fn requests_of_the_application_are_passed_on() {
    let mut world = World::open();
    world.hear(rar(Vec::new()));
    assert_eq!(world.done(), ["request 258"]);
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    let mut world = World::open();
    let unknown = Avp::mandatory(AvpName::of(193, 1061), 1);
    world.hear(rar(vec![unknown.clone()]));
    let answer = world.sent();
    assert_eq!(code(&answer), result::AVP_UNSUPPORTED);
    let failed = answer.avps.required(name::FAILED_AVP).unwrap();
    assert_eq!(failed.inside(), [unknown]);
    world.hear(rar(vec![Avp::optional(AvpName::of(193, 1061), 1)]));
    assert_eq!(world.done(), ["request 258"]);
}

#[test]
fn requests_of_nobody_are_refused() {
    for (command, application, expected) in [
        (274, application::BASE, result::COMMAND_UNSUPPORTED),
        (272, 4, result::APPLICATION_UNSUPPORTED),
    ] {
        let mut world = World::open();
        let mut request = rar(Vec::new());
        request.header.command = command;
        request.header.application = application;
        world.hear(request);
        assert_eq!(code(&world.sent()), expected);
    }
}

#[test]
fn a_second_cer_is_answered() {
    let mut world = World::open();
    world.hear(their().request());
    let answer = world.sent();
    assert!(
        CapabilitiesAnswer::read(&answer)
            .unwrap()
            .outcome
            .is_success()
    );
}

#[test]
fn what_cannot_be_read_is_answered_and_proves_that_the_peer_lives() {
    let mut world = World::open();
    world.wait(32);
    world.wait(32);
    world.done();
    let mut bytes = rar(Vec::new()).write().unwrap().to_vec();
    let len = bytes.len();
    bytes[len - 5] = 99;
    let refused = Message::read(&bytes.into(), &Dictionary::default()).unwrap_err();
    world.peer.refused(&refused, world.now);
    assert_eq!(code(&world.sent()), result::INVALID_AVP_LENGTH);
    assert_eq!(world.done(), ["Ready"]);
}

#[test]
fn a_broken_goodbye_is_refused() {
    let mut world = World::open();
    let goodbye = DisconnectRequest {
        origin: their().identity,
        cause: DisconnectCause::Busy,
    };
    let mut message = goodbye.message();
    message.avps.pop();
    world.hear(message);
    assert_eq!(code(&world.sent()), result::MISSING_AVP);
    assert_eq!(world.peer.stands(), Standing::Ready);
}

/// A peer and the time.
struct World {
    peer: Peer,
    now: Instant,
    /// The hop-by-hop id of the CER.
    hop: u32,
}

impl World {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment is as good as another"
        )]
        let now = Instant::now();
        let settings = PeerSettings {
            own: own(),
            host: Some("pcrf.policy.example".into()),
            application: application::GX,
            dictionary: Arc::default(),
            watchdog: Duration::from_secs(30),
            setup: Duration::from_secs(5),
            back_off: BackOff {
                first: Duration::from_secs(1),
                max: Duration::from_secs(30),
            },
        };
        let mut peer = Peer::new(Arc::new(settings), 7, now);
        peer.tick(now);
        Self { peer, now, hop: 0 }
    }

    fn connected() -> Self {
        let mut world = Self::new();
        assert_eq!(world.done(), ["connect"]);
        world.connect();
        world
    }

    fn open() -> Self {
        let mut world = Self::connected();
        world.hear_cea(&their(), result::SUCCESS);
        assert_eq!(world.done(), ["Ready"]);
        world
    }

    fn connect(&mut self) {
        self.peer.connected("10.0.0.9".parse().unwrap(), self.now);
        self.hop = self.sent().header.hop_by_hop;
    }

    fn hear(&mut self, message: Message) {
        self.peer.received(message, self.now);
    }

    fn hear_cea(&mut self, capabilities: &Capabilities, result: u32) {
        let mut cea = capabilities.answer(&their().request(), result);
        cea.header.hop_by_hop = self.hop;
        self.hear(cea);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.peer.tick(self.now);
    }

    /// Returns the message that is sent next.
    #[track_caller]
    fn sent(&mut self) -> Message {
        match self.peer.act() {
            Some(Act::Send(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    /// Returns what is done until the next event, in words, but for who was connected.
    fn done(&mut self) -> Vec<String> {
        let acts = std::iter::from_fn(|| self.peer.act());
        let acts = acts.filter(|act| !matches!(act, Act::Host(..)));
        acts.map(|act| match act {
            Act::Connect => "connect".to_owned(),
            Act::Send(message) => {
                let is_request = message.header.is_request();
                let kind = if is_request { "request" } else { "answer" };
                format!("send {} {kind}", message.header.command)
            }
            Act::Close(reason) => format!("close {reason:?}"),
            Act::Host(host, state) => format!("{host} {state}"),
            Act::Stands(standing) => format!("{standing:?}"),
            Act::Request(message) => format!("request {}", message.header.command),
            Act::Answer(message) => format!("answer {}", message.header.command),
        })
        .collect()
    }
}

fn code(answer: &Message) -> u32 {
    let code = answer.avps.required(name::RESULT_CODE).unwrap();
    code.number().unwrap()
}

fn node(host: &str) -> Capabilities {
    Capabilities {
        identity: Identity {
            host: host.into(),
            realm: "policy.example".into(),
        },
        addresses: Vec::new(),
        vendor: 0,
        product: "test".into(),
        state: Some(77),
        vendors: [name::vendor::TGPP].into(),
        applications: [application::GX].into(),
    }
}

fn own() -> Capabilities {
    node("weir.policy.example")
}

fn their() -> Capabilities {
    node("pcrf.policy.example")
}

fn ccr() -> Message {
    let request = CreditControlRequest {
        about: SessionRequest {
            session: "weir.policy.example;1;2".into(),
            application: application::GX,
            origin: own().identity,
            realm: "policy.example".into(),
            host: None,
            state: None,
        },
        kind: RequestType::Initial,
        number: 0,
        avps: Vec::new(),
    };
    request.message()
}

fn rar(avps: Vec<Avp>) -> Message {
    let request = ReAuthRequest {
        session: "weir.policy.example;1;2".into(),
        application: application::GX,
        origin: their().identity,
        destination: own().identity,
        kind: 0,
        avps,
    };
    request.message()
}
