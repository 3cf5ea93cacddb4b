//! Whatever happens, in whatever order, sessions come to rest.

use proptest::prelude::*;

use super::*;

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

impl World {
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
}
