mod events;
mod world;

use std::time::Duration;

use diameter::command::CreditControlRequest;
use diameter::name::{
    CC_REQUEST_NUMBER, CHARGING_RULE_INSTALL, CHARGING_RULE_NAME, DESTINATION_HOST, FAILED_AVP,
    GX_CAPABILITY_LIST, ORIGIN_STATE_ID, RESULT_CODE, SN_CF_POLICY_ID, SUBSCRIPTION_ID,
    TERMINATION_CAUSE, application,
};
use diameter::{Avp, AvpName, Identity};
use sessions::{Fallback, Subscriber};

use super::*;
use crate::facts::tests::settings;
use crate::{Release, Updates};
use world::{World, code, other_host, pcrf, profile, rar, rule};

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
fn what_was_said_last_is_selected_when_the_choice_is_given_back() {
    let mut world = World::new();
    world.open(ONE);
    world.answer(ONE, &[profile(7)]);
    assert_eq!(world.notes(), ["1: id 7"]);
    let event = SessionEvent::Unselected(ONE, world::subscriber());
    world.gx.tell(event, world.now).unwrap();
    assert_eq!(world.notes(), ["1: id 7"]);
}

#[test]
fn what_somebody_else_changes_after_its_end_is_no_news() {
    let mut world = World::opened();
    let event = SessionEvent::ChangedElsewhere(ONE, Arc::default());
    world.gx.tell(event.clone(), world.now).unwrap();
    world.request(RequestType::Update, 1);
    world.answer(ONE, &[]);
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    world.request(RequestType::Termination, 2);
    world.answer(ONE, &[]);
    world.gx.tell(event, world.now).unwrap();
    assert!(world.gx.is_empty());
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
fn what_may_have_arrived_is_ended_there_however_late_it_ends() {
    let unclear: [fn(&mut World); 3] = [
        |world| world.gx.failed(ONE, Failure::Deadline, world.now),
        |world| world.answer(ONE, &[Avp::optional(SN_CF_POLICY_ID, "not a number")]),
        |world| {
            let mut reply = World::ccr().answer(result::SUCCESS, &pcrf());
            reply.avps.push(Avp::mandatory(SESSION_ID, "another;1;1"));
            world.gx.answered(ONE, &reply, world.now);
        },
    ];
    for unclear in unclear {
        let mut world = World::new();
        world.open(ONE);
        world.request(RequestType::Initial, 0);
        unclear(&mut world);
        assert!(world.gx.next_request().is_none(), "it is asked for later");
        world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
        world.request(RequestType::Termination, 1);
        world.answer(ONE, &[]);
        assert!(world.gx.is_empty());
    }
}

#[test]
fn what_never_left_is_not_ended_there() {
    let mut world = World::new();
    world.open(ONE);
    world.request(RequestType::Initial, 0);
    world.gx.failed(ONE, Failure::NoPeer, world.now);
    world.gx.tell(SessionEvent::Closed(ONE), world.now).unwrap();
    assert!(world.gx.next_request().is_none());
    assert!(world.gx.is_empty());
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

#[test]
fn what_was_selected_before_stays_until_somebody_decides() {
    let mut world = World::new();
    world.change(ONE);
    assert_eq!(world.gx.wakes(), None, "nobody loses patience");
    world.request(RequestType::Initial, 0);
    world.gx.failed(ONE, Failure::Deadline, world.now);
    assert_eq!(world.notes(), Vec::<String>::new());
    world.wait(30);
    world.request(RequestType::Initial, 0);
    world.decline(ONE, result::USER_UNKNOWN);
    assert_eq!(world.notes(), ["declined 5030", "1: unanswered"]);
    world.wait(60);
    world.answer(ONE, &[profile(7)]);
    assert_eq!(world.notes(), ["1: id 7"]);
}

#[test]
fn what_a_policy_server_lost_is_opened_anew() {
    let mut world = World::new();
    let state = |state: u32| Avp::mandatory(ORIGIN_STATE_ID, state);
    for key in [ONE, TWO] {
        world.open(key);
        world.request(RequestType::Initial, 0);
        world.answer(key, &[profile(7), state(5)]);
    }
    assert_eq!(world.notes(), ["1: id 7", "2: id 7"]);
    let host = pcrf().host;
    world.gx.heard_of(&host, 5);
    world.gx.heard_of(&host, 4);
    world.gx.heard_of(&"another.example".into(), 9);
    world.gx.heard_of(&"another.example".into(), 10);
    assert!(world.gx.next_request().is_none());
    world.gx.heard_of(&host, 6);
    let request = world.request(RequestType::Initial, 0);
    assert_eq!(&*request.about.session, "weir.policy.example;77;3");
    assert_eq!(request.about.host, None);
    world.gx.failed(ONE, Failure::Deadline, world.now);
    assert_eq!(world.notes(), Vec::<String>::new(), "the profile stays");
    world.request(RequestType::Initial, 0);
    let reply = world.reply_for(TWO, result::SUCCESS, &[profile(9), state(6)]);
    world.gx.answered(TWO, &reply, world.now);
    assert_eq!(world.notes(), ["2: id 9"]);
}

#[test]
fn a_restart_is_heard_of_in_answers_and_requests_too() {
    let mut world = World::new();
    let state = |state: u32| Avp::mandatory(ORIGIN_STATE_ID, state);
    for key in [ONE, TWO] {
        world.open(key);
        world.request(RequestType::Initial, 0);
        world.answer(key, &[state(5)]);
    }
    world.change(ONE);
    world.request(RequestType::Update, 1);
    let reply = world.reply_for(ONE, result::UNKNOWN_SESSION_ID, &[state(6)]);
    world.gx.answered(ONE, &reply, world.now);
    for id in [3, 4] {
        let request = world.request(RequestType::Initial, 0);
        assert_eq!(
            *request.about.session,
            *format!("weir.policy.example;77;{id}")
        );
    }
}

#[test]
fn a_report_that_says_nothing_new_is_not_told() {
    let mut world = World::opened();
    world.gx.settings.updates = Updates::Changed;
    world.change(ONE);
    assert!(world.gx.next_request().is_none());
    let moved = Arc::new(Subscriber {
        ranges: vec!["10.7.0.3/32".parse().unwrap()],
        ..Subscriber::clone(&world::subscriber())
    });
    let event = SessionEvent::Changed(ONE, moved);
    world.gx.tell(event, world.now).unwrap();
    world.request(RequestType::Update, 1);
}
