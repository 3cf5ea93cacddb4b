use std::time::Duration;

use diameter::command::CreditControlRequest;
use diameter::name::{
    CC_REQUEST_NUMBER, CHARGING_RULE_INSTALL, CHARGING_RULE_NAME, DESTINATION_HOST, FAILED_AVP,
    GX_CAPABILITY_LIST, RESULT_CODE, SN_CF_POLICY_ID, SUBSCRIPTION_ID, TERMINATION_CAUSE,
    application,
};
use diameter::{Avp, AvpName, Identity};
use proptest::prelude::*;
use sessions::Fallback;

use super::*;
use crate::Release;
use crate::facts::tests::settings;

const ONE: SessionKey = SessionKey(1);
const TWO: SessionKey = SessionKey(2);

#[test]
fn a_session_that_opens_is_told_with_its_subscriber() {
    let mut world = World::new();
    world.open(ONE);
    let request = world.request(RequestType::Initial, 0);
    assert_eq!(&*request.about.session, "weir.policy.example;77;1");
    assert_eq!(request.about.application, application::GX);
    assert_eq!(request.avps.all(SUBSCRIPTION_ID).count(), 2);
    let flags = request.avps.required(GX_CAPABILITY_LIST).unwrap();
    assert!(!flags.is_mandatory(), "who does not know it may skip it");
    for name in [8, 97, 30] {
        request.avps.required(AvpName::base(name)).unwrap();
    }
    assert!(world.gx.next_request().is_none(), "one at a time");
}

#[test]
fn the_answer_says_the_profile() {
    let mut world = World::new();
    world.open(ONE);
    world.answer(ONE, &[profile(7), rule("acr-child")]);
    assert_eq!(world.notes(), ["1: id 7, acr-child"]);
}

#[test]
fn a_change_is_told_to_the_host_that_knows_the_session() {
    let mut world = World::opened();
    world.change(ONE);
    let request = world.request(RequestType::Update, 1);
    assert_eq!(request.about.host.as_deref(), Some("pcrf.policy.example"));
    world.answer(ONE, &[profile(9)]);
    assert_eq!(world.notes(), ["1: id 9"]);
    world.change(ONE);
    world.request(RequestType::Update, 2);
    world.answer(ONE, &[]);
    assert_eq!(world.notes(), Vec::<String>::new(), "nothing is new");
}

#[test]
fn the_end_is_told_and_forgotten() {
    let mut world = World::opened();
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    let request = world.request(RequestType::Termination, 1);
    let cause = request.avps.required(TERMINATION_CAUSE).unwrap();
    assert_eq!(cause.number(), Ok(1));
    assert_eq!(world.gx.len(), 1, "until the answer is there");
    world.answer(ONE, &[]);
    assert!(world.gx.is_empty());
    assert_eq!(world.notes(), Vec::<String>::new());
}

#[test]
fn what_happens_while_an_answer_is_awaited_is_told_after_it() {
    let mut world = World::new();
    world.open(ONE);
    world.request(RequestType::Initial, 0);
    world.change(ONE);
    world.change(ONE);
    assert!(world.gx.next_request().is_none());
    world.answer(ONE, &[]);
    world.request(RequestType::Update, 1);
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    world.answer(ONE, &[]);
    world.request(RequestType::Termination, 2);
}

#[test]
fn a_session_that_ends_before_it_was_told_is_never_told() {
    let mut world = World::new();
    world.open(ONE);
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    assert!(world.gx.next_request().is_none());
    assert!(world.gx.is_empty());
}

#[test]
fn a_rar_changes_the_profile() {
    let mut world = World::opened();
    let answer = world.gx.asked(&rar(1, vec![profile(9)]));
    assert_eq!(code(&answer), result::SUCCESS);
    assert_eq!(world.notes(), ["1: id 9"]);
    let answer = world.gx.asked(&rar(1, vec![rule("acr-teen")]));
    assert_eq!(code(&answer), result::SUCCESS);
    assert_eq!(world.notes(), ["1: id 9, acr-teen"]);
}

#[test]
fn a_rar_that_is_wrong_changes_nothing() {
    let short = Avp::optional(SN_CF_POLICY_ID, [0; 3].as_slice());
    let many = (0..300).map(|n| rule(&n.to_string())).collect();
    let rows: [(&str, Message, u32); 5] = [
        (
            "session",
            rar(9, vec![profile(9)]),
            result::UNKNOWN_SESSION_ID,
        ),
        (
            "host",
            other_host(rar(1, vec![profile(9)])),
            result::UNABLE_TO_DELIVER,
        ),
        (
            "value",
            rar(1, vec![rule("a"), short.clone()]),
            result::INVALID_AVP_VALUE,
        ),
        ("rules", rar(1, many), result::UNABLE_TO_COMPLY),
        ("no RAR", World::ccr(), result::COMMAND_UNSUPPORTED),
    ];
    for (row, request, expected) in rows {
        let mut world = World::opened();
        let answer = world.gx.asked(&request);
        assert_eq!(code(&answer), expected, "{row}");
        assert_eq!(world.notes(), Vec::<String>::new(), "{row}");
        if expected == result::INVALID_AVP_VALUE {
            let failed = answer.avps.required(FAILED_AVP).unwrap();
            assert_eq!(failed.inside(), std::slice::from_ref(&short));
        }
    }
}

#[test]
fn a_session_that_the_policy_server_releases_has_no_profile_and_may_return() {
    let mut world = World::opened();
    world.gx.asked(&rar(1, vec![profile(7)]));
    assert_eq!(world.notes(), ["1: id 7"]);
    let cause = Avp::mandatory(SESSION_RELEASE_CAUSE, 0);
    let answer = world.gx.asked(&rar(1, vec![cause]));
    assert_eq!(code(&answer), result::SUCCESS);
    assert_eq!(world.notes(), ["1: nothing"]);
    world.request(RequestType::Termination, 1);
    world.answer(ONE, &[]);
    assert_eq!(world.gx.len(), 1);
    assert!(world.gx.next_request().is_none());
    world.change(ONE);
    let request = world.request(RequestType::Initial, 0);
    assert_eq!(&*request.about.session, "weir.policy.example;77;2");
    world.answer(ONE, &[profile(7)]);
    assert_eq!(world.notes(), ["1: id 7"]);
}

#[test]
fn without_an_answer_the_configuration_says_and_it_is_tried_again() {
    let mut world = World::new();
    world.open(ONE);
    let first = world.request(RequestType::Initial, 0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        world.gx.failed(ONE, Failure::Deadline, world.now);
        assert!(world.gx.next_request().is_none());
        let at = world.gx.later.first().unwrap().0;
        waits.push((at - world.now).as_secs());
        world.now = at;
        world.gx.tick(at);
        let again = world.request(RequestType::Initial, 0);
        assert_eq!(again.about.session, first.about.session);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(world.notes(), ["1: unanswered"], "told once");
    world.answer(ONE, &[profile(7)]);
    assert_eq!(world.notes(), ["1: id 7"]);
}

#[test]
fn what_is_known_outlives_an_update_without_an_answer() {
    let mut world = World::opened();
    world.change(ONE);
    world.request(RequestType::Update, 1);
    world.gx.failed(ONE, Failure::Lost, world.now);
    assert_eq!(world.notes(), Vec::<String>::new());
    world.wait(30);
    let again = world.request(RequestType::Update, 2);
    assert_eq!(again.about.host, None, "any host of the realm may answer");
}

#[test]
fn a_session_that_the_policy_server_forgot_is_told_anew() {
    let mut world = World::opened();
    world.change(ONE);
    world.request(RequestType::Update, 1);
    world.decline(ONE, result::UNKNOWN_SESSION_ID);
    assert_eq!(world.notes(), ["declined 5002"]);
    let request = world.request(RequestType::Initial, 0);
    assert_eq!(&*request.about.session, "weir.policy.example;77;2");
    let old = world.gx.asked(&rar(1, Vec::new()));
    assert_eq!(code(&old), result::UNKNOWN_SESSION_ID);
}

#[test]
fn a_subscriber_that_is_declined_gets_what_is_configured() {
    let mut world = World::new();
    world.gx.settings.fallback = Fallback::Profile("strict".into());
    world.open(ONE);
    world.request(RequestType::Initial, 0);
    world.decline(ONE, result::USER_UNKNOWN);
    assert_eq!(world.notes(), ["declined 5030", "1: Profile(\"strict\")"]);
    assert!(world.gx.next_request().is_none(), "it is tried later");
    assert!(world.gx.wakes().is_some());
}

#[test]
fn an_answer_without_meaning_is_none() {
    let mut world = World::new();
    world.open(ONE);
    let asked = world.ask();
    let mut bad = world.reply(&asked, &[]);
    bad.avps.retain(|avp| avp.name() != RESULT_CODE);
    world.gx.answered(ONE, &bad, world.now);
    assert_eq!(world.notes(), ["bad: AVP 268 is missing", "1: unanswered"]);
    world.wait(30);
    let asked = world.ask();
    let mut other = world.reply(&asked, &[]);
    for avp in &mut other.avps {
        if avp.name() == SESSION_ID {
            *avp = Avp::mandatory(SESSION_ID, "another;1;1");
        }
    }
    world.gx.answered(ONE, &other, world.now);
    assert_eq!(world.notes(), ["bad: AVP 263 has no value of its type"]);
    world.wait(60);
    let asked = world.ask();
    let two = world.reply(&asked, &[profile(7), profile(9)]);
    world.gx.answered(ONE, &two, world.now);
    assert_eq!(world.notes(), ["bad: AVP 8164/529 may be there once"]);
}

#[test]
fn what_may_have_arrived_is_ended_there_too() {
    let mut world = World::new();
    world.open(ONE);
    world.request(RequestType::Initial, 0);
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    world.gx.failed(ONE, Failure::Deadline, world.now);
    world.wait(30);
    world.request(RequestType::Termination, 1);
    world.gx.failed(ONE, Failure::Deadline, world.now);
    assert!(world.gx.is_empty(), "it was tried often enough");
}

#[test]
fn an_end_without_an_answer_is_told_twice() {
    let mut world = World::opened();
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    world.request(RequestType::Termination, 1);
    world.gx.failed(ONE, Failure::Deadline, world.now);
    world.wait(30);
    world.request(RequestType::Termination, 2);
    world.gx.failed(ONE, Failure::Deadline, world.now);
    assert!(world.gx.is_empty());
    assert_eq!(world.gx.wakes(), None);
}

#[test]
fn sessions_are_bounded() {
    let mut world = World::new();
    for key in 0..4 {
        world.open(SessionKey(key));
    }
    let event = SessionEvent::Opened(SessionKey(4), Arc::default());
    assert_eq!(world.gx.tell(event.clone(), world.now), Err(Busy));
    world
        .gx
        .tell(SessionEvent::Closed(SessionKey(0)), world.now)
        .unwrap();
    while world.gx.next_request().is_some() {}
    assert_eq!(world.gx.tell(event, world.now), Ok(()));
}

#[test]
fn sessions_do_not_wait_for_each_other() {
    let mut world = World::new();
    world.open(ONE);
    world.open(TWO);
    let first = world.gx.next_request().unwrap();
    let second = world.gx.next_request().unwrap();
    assert_eq!((first.session, second.session), (ONE, TWO));
    let reply = world.reply(&second.message, &[profile(3)]);
    world.gx.answered(TWO, &reply, world.now);
    assert_eq!(world.notes(), ["2: id 3"]);
}

#[test]
fn who_is_not_even_asked_gets_what_is_configured_in_time() {
    let mut world = World::new();
    world.open(ONE);
    assert_eq!(world.gx.wakes(), Some(world.now + Duration::from_secs(10)));
    world.wait(9);
    assert_eq!(world.notes(), Vec::<String>::new());
    world.wait(1);
    assert_eq!(world.notes(), ["1: unanswered"]);
    world.answer(ONE, &[profile(7)]);
    assert_eq!(world.notes(), ["1: id 7"]);
    world.wait(10);
    assert_eq!(world.notes(), Vec::<String>::new());
}

#[test]
fn who_waits_is_asked_for_when_a_peer_is_back() {
    let mut world = World::new();
    for key in [ONE, TWO] {
        world.open(key);
        world.request(RequestType::Initial, 0);
        world.gx.failed(key, Failure::Lost, world.now);
    }
    assert!(!world.gx.is_ready());
    world.gx.peer_is_back();
    world.request(RequestType::Initial, 0);
    world.request(RequestType::Initial, 0);
    assert!(world.gx.later.is_empty());
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Open(u64),
    Change(u64),
    Close(u64),
    Ask,
    Succeed(u64),
    Decline(u64, u32),
    Fail(u64),
    Rar(u64),
    Release(u64),
    Wait,
}

fn event() -> impl Strategy<Value = Event> {
    let key = 0_u64..3;
    let code = prop_oneof![Just(5002_u32), Just(5030), Just(3002)];
    prop_oneof![
        1 => key.clone().prop_map(Event::Open),
        1 => key.clone().prop_map(Event::Change),
        1 => key.clone().prop_map(Event::Close),
        3 => Just(Event::Ask),
        2 => key.clone().prop_map(Event::Succeed),
        1 => (key.clone(), code).prop_map(|(key, code)| Event::Decline(key, code)),
        1 => key.clone().prop_map(Event::Fail),
        1 => key.clone().prop_map(Event::Rar),
        1 => key.prop_map(Event::Release),
        1 => Just(Event::Wait),
    ]
}

proptest! {
    /// Whatever happened: what is open in the end is known to a policy server that answers, and
    /// what is closed is forgotten.
    #[test]
    fn sessions_come_to_rest(events in proptest::collection::vec(event(), 0..40)) {
        let mut world = World::new();
        let mut asked: BTreeMap<u64, Message> = BTreeMap::new();
        let mut closed = BTreeSet::new();
        for event in events {
            world.happens(event, &mut asked, &mut closed);
        }
        for _ in 0..40 {
            for (key, request) in std::mem::take(&mut asked) {
                let reply = world.reply(&request, &[profile(1)]);
                world.gx.answered(SessionKey(key), &reply, world.now);
            }
            world.happens(Event::Wait, &mut asked, &mut closed);
            while let Some(ask) = world.gx.next_request() {
                prop_assert!(asked.insert(ask.session.0, ask.message).is_none(), "one request at a time");
            }
        }
        prop_assert!(asked.is_empty() && world.gx.wakes().is_none() && !world.gx.is_ready());
        for (key, held) in &world.gx.sessions {
            prop_assert!(!closed.contains(&key.0));
            prop_assert_eq!(held.wish, Wish::None);
            prop_assert!(matches!(held.state, State::Present | State::Released));
        }
    }
}

struct World {
    gx: Gx,
    now: Instant,
}

impl World {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment is as good as another"
        )]
        let now = Instant::now();
        let gx = Gx::new(settings(Release::Eight, Some(1)));
        Self { gx, now }
    }

    /// A world with an open session that has no profile.
    fn opened() -> Self {
        let mut world = Self::new();
        world.open(ONE);
        world.request(RequestType::Initial, 0);
        world.answer(ONE, &[]);
        assert_eq!(world.notes(), ["1: nothing"]);
        world
    }

    fn happens(
        &mut self,
        event: Event,
        asked: &mut BTreeMap<u64, Message>,
        closed: &mut BTreeSet<u64>,
    ) {
        match event {
            Event::Open(key) | Event::Change(key) if closed.contains(&key) => {}
            Event::Open(key) => self.open(SessionKey(key)),
            Event::Change(key) => self.change(SessionKey(key)),
            Event::Close(key) => {
                closed.insert(key);
                self.gx
                    .tell(SessionEvent::Closed(SessionKey(key)), self.now)
                    .unwrap();
            }
            Event::Ask => {
                if let Some(ask) = self.gx.next_request() {
                    assert!(
                        asked.insert(ask.session.0, ask.message).is_none(),
                        "one request at a time"
                    );
                }
            }
            Event::Succeed(key) => {
                if let Some(request) = asked.remove(&key) {
                    let reply = self.reply(&request, &[profile(2)]);
                    self.gx.answered(SessionKey(key), &reply, self.now);
                }
            }
            Event::Decline(key, code) => {
                if let Some(request) = asked.remove(&key) {
                    let reply = request.answer(code, &pcrf());
                    self.gx.answered(SessionKey(key), &reply, self.now);
                }
            }
            Event::Fail(key) => {
                if asked.remove(&key).is_some() {
                    self.gx.failed(SessionKey(key), Failure::Deadline, self.now);
                }
            }
            Event::Rar(number) => {
                self.gx.asked(&rar(number + 1, vec![profile(4)]));
            }
            Event::Release(number) => {
                let cause = Avp::mandatory(SESSION_RELEASE_CAUSE, 0);
                self.gx.asked(&rar(number + 1, vec![cause]));
            }
            Event::Wait => self.wait(1000),
        }
        self.notes();
    }

    fn open(&mut self, key: SessionKey) {
        let event = SessionEvent::Opened(key, subscriber());
        self.gx.tell(event, self.now).unwrap();
    }

    fn change(&mut self, key: SessionKey) {
        let event = SessionEvent::Changed(key, subscriber());
        self.gx.tell(event, self.now).unwrap();
    }

    fn ask(&mut self) -> Message {
        self.gx.next_request().unwrap().message
    }

    #[track_caller]
    fn request(&mut self, kind: RequestType, number: u32) -> CreditControlRequest {
        let message = self.ask();
        let request = CreditControlRequest::read(&message).unwrap();
        assert_eq!((request.kind, request.number), (kind, number));
        let written = message.avps.required(CC_REQUEST_NUMBER).unwrap();
        assert_eq!(written.number(), Ok(number));
        request
    }

    /// Answers what was asked for a session last, or is next.
    fn answer(&mut self, key: SessionKey, avps: &[Avp]) {
        let _ = self.gx.next_request();
        let reply = self.reply_for(key, result::SUCCESS, avps);
        self.gx.answered(key, &reply, self.now);
    }

    fn decline(&mut self, key: SessionKey, code: u32) {
        let reply = self.reply_for(key, code, &[]);
        self.gx.answered(key, &reply, self.now);
    }

    fn reply_for(&self, key: SessionKey, code: u32, avps: &[Avp]) -> Message {
        let mut reply = Self::ccr().answer(code, &pcrf());
        let id = &self.gx.sessions[&key].id;
        reply.avps.push(Avp::mandatory(SESSION_ID, &**id));
        reply.avps.push(Avp::optional(GX_CAPABILITY_LIST, 1));
        reply.avps.extend(avps.iter().cloned());
        reply
    }

    fn reply(&self, request: &Message, avps: &[Avp]) -> Message {
        let mut reply = request.answer(result::SUCCESS, &pcrf());
        reply.avps.push(Avp::optional(GX_CAPABILITY_LIST, 1));
        reply.avps.extend(avps.iter().cloned());
        reply
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.gx.tick(self.now);
    }

    /// Returns the notes since the last look, in words.
    fn notes(&mut self) -> Vec<String> {
        let notes = std::iter::from_fn(|| self.gx.note());
        notes
            .map(|note| match note {
                Note::Facts(key, ProfileFacts::Said { id, rules }) => {
                    let id = id.map(|id| format!("id {id}"));
                    let words: Vec<String> = id
                        .into_iter()
                        .chain(rules.iter().map(ToString::to_string))
                        .collect();
                    let words = words.join(", ");
                    let nothing = words.is_empty().then_some("nothing");
                    format!("{}: {}", key.0, nothing.unwrap_or(&words))
                }
                Note::Facts(key, ProfileFacts::Unanswered(Fallback::NextSource)) => {
                    format!("{}: unanswered", key.0)
                }
                Note::Facts(key, ProfileFacts::Unanswered(fallback)) => {
                    format!("{}: {fallback:?}", key.0)
                }
                Note::Declined(code) => format!("declined {code}"),
                Note::BadAnswer(bad) => format!("bad: {bad}"),
            })
            .collect()
    }

    /// A CCR without a session.
    fn ccr() -> Message {
        let mut message = rar(1, Vec::new());
        message.header.command = command_code::CREDIT_CONTROL;
        message.avps.retain(|avp| avp.name() != SESSION_ID);
        message
    }
}

fn subscriber() -> Arc<Subscriber> {
    Arc::new(Subscriber {
        msisdn: Some("491700000001".into()),
        imsi: Some("001010000000007".into()),
        apn: Some("internet".into()),
        ranges: vec![
            "10.7.0.2/32".parse().unwrap(),
            "2001:db8:7::/64".parse().unwrap(),
        ],
    })
}

fn profile(id: u32) -> Avp {
    Avp::optional(SN_CF_POLICY_ID, id)
}

fn rule(name: &str) -> Avp {
    let name = Avp::mandatory(CHARGING_RULE_NAME, name);
    Avp::mandatory(CHARGING_RULE_INSTALL, vec![name])
}

fn pcrf() -> Identity {
    Identity {
        host: "pcrf.policy.example".into(),
        realm: "policy.example".into(),
    }
}

/// A RAR for the session that was opened as this one.
fn rar(number: u64, avps: Vec<Avp>) -> Message {
    let request = ReAuthRequest {
        session: format!("weir.policy.example;77;{number}").into(),
        application: application::GX,
        origin: pcrf(),
        destination: settings(Release::Eight, None).own,
        kind: 0,
        avps,
    };
    request.message()
}

fn other_host(mut request: Message) -> Message {
    request.avps.retain(|avp| avp.name() != DESTINATION_HOST);
    request
        .avps
        .push(Avp::mandatory(DESTINATION_HOST, "other.policy.example"));
    request
}

fn code(answer: &Message) -> u32 {
    answer.avps.required(RESULT_CODE).unwrap().number().unwrap()
}
