use super::*;
use crate::name::{self, application, result, vendor};
use crate::{Dictionary, PROXIABLE};

#[test]
fn a_cer_is_read_as_it_was_meant() {
    let sent = capabilities();
    let message = passed(sent.request());
    assert_eq!(message.header.flags, REQUEST);
    assert_eq!(Capabilities::read_request(&message), Ok(sent));
}

#[test]
fn a_cea_is_read_as_it_was_meant() {
    let request = capabilities().request();
    let message = passed(capabilities().answer(&request, result::SUCCESS));
    let read = CapabilitiesAnswer::read(&message).unwrap();
    assert_eq!(read.outcome, Outcome::Base(2001));
    assert_eq!(read.capabilities, Some(capabilities()));
}

#[test]
fn who_refuses_a_peer_says_less_of_itself() {
    let request = capabilities().request();
    let message = passed(request.answer(3010, &own()));
    let read = CapabilitiesAnswer::read(&message).unwrap();
    assert_eq!(read.outcome, Outcome::Base(3010));
    assert_eq!(read.capabilities, None);
}

#[test]
fn applications_are_found_however_they_are_written() {
    let serves = |avps: Vec<Avp>| {
        let mut message = capabilities().request();
        let listed = [
            name::AUTH_APPLICATION_ID,
            name::VENDOR_SPECIFIC_APPLICATION_ID,
        ];
        message.avps.retain(|avp| !listed.contains(&avp.name()));
        message.avps.extend(avps);
        let read = Capabilities::read_request(&passed(message)).unwrap();
        read.serves(application::GX)
    };
    let id = |id: u32| Avp::mandatory(name::AUTH_APPLICATION_ID, id);
    assert!(serves(vec![id(application::GX)]));
    assert!(serves(vec![id(application::RELAY)]));
    assert!(serves(vec![Avp::mandatory(
        name::VENDOR_SPECIFIC_APPLICATION_ID,
        vec![id(application::GX)]
    )]));
    assert!(!serves(vec![id(4)]));
    assert!(!serves(Vec::new()));
}

#[test]
fn addresses_of_other_families_are_left_out() {
    let mut message = capabilities().request();
    let e164 = Avp::mandatory(name::HOST_IP_ADDRESS, [0, 8, 49].as_slice());
    message.avps.push(e164);
    let read = Capabilities::read_request(&message).unwrap();
    assert_eq!(read.addresses, capabilities().addresses);
}

#[test]
fn watchdogs_and_disconnects() {
    let watchdog = WatchdogRequest {
        origin: own(),
        state: Some(9),
    };
    let message = passed(watchdog.message());
    assert_eq!(WatchdogRequest::read(&message), Ok(watchdog));
    for cause in [
        DisconnectCause::Rebooting,
        DisconnectCause::Busy,
        DisconnectCause::DoNotWantToTalk,
        DisconnectCause::Other(77),
    ] {
        let disconnect = DisconnectRequest {
            origin: own(),
            cause,
        };
        let message = passed(disconnect.message());
        assert_eq!(DisconnectRequest::read(&message), Ok(disconnect));
    }
}

#[test]
fn a_ccr_is_read_as_it_was_meant() {
    for (kind, number) in [
        (RequestType::Initial, 0),
        (RequestType::Update, 1),
        (RequestType::Termination, 2),
    ] {
        let request = CreditControlRequest {
            kind,
            number,
            ..initial()
        };
        let message = passed(request.message());
        assert_eq!(message.header.flags, REQUEST | PROXIABLE);
        let read = CreditControlRequest::read(&message).unwrap();
        assert_eq!((read.about, read.kind), (request.about, kind));
        assert_eq!(read.number, number);
        assert_eq!(read.avps, message.avps);
    }
}

#[test]
fn an_event_is_no_request_of_gx() {
    let mut message = initial().message();
    for avp in &mut message.avps {
        if avp.name() == name::CC_REQUEST_TYPE {
            *avp = Avp::mandatory(name::CC_REQUEST_TYPE, 4);
        }
    }
    let bad = CreditControlRequest::read(&message).unwrap_err();
    assert_eq!(bad.result_code(), result::INVALID_AVP_VALUE);
}

#[test]
fn a_cca_is_read_with_and_without_what_agents_leave_out() {
    let mut message = initial().message().answer(result::SUCCESS, &own());
    let read = CreditControlAnswer::read(&message).unwrap();
    assert_eq!(read.session, Some("weir.example;1;2"));
    assert_eq!((read.kind, read.number), (None, None));
    message.avps.push(Avp::mandatory(name::CC_REQUEST_TYPE, 1));
    message
        .avps
        .push(Avp::mandatory(name::CC_REQUEST_NUMBER, 0));
    let read = CreditControlAnswer::read(&message).unwrap();
    assert_eq!(read.kind, Some(RequestType::Initial));
    assert_eq!(read.number, Some(0));
    assert!(read.outcome.is_success());
}

#[test]
fn results_of_vendors_count_as_those_of_the_rfc() {
    let code = |code: u32| Avp::mandatory(name::EXPERIMENTAL_RESULT_CODE, code);
    let of = Avp::mandatory(name::VENDOR_ID, vendor::TGPP);
    let group = Avp::mandatory(name::EXPERIMENTAL_RESULT, vec![of, code(5065)]);
    let outcome = Outcome::read(&[group]).unwrap();
    let expected = Outcome::Vendor {
        vendor: vendor::TGPP,
        code: 5065,
    };
    assert_eq!(outcome, expected);
    assert!(!outcome.is_success());
    let half = Avp::mandatory(name::EXPERIMENTAL_RESULT, vec![code(5065)]);
    assert_eq!(Outcome::read(&[half]), Err(Bad::Missing(name::VENDOR_ID)));
    assert_eq!(Outcome::read(&[]), Err(Bad::Missing(name::RESULT_CODE)));
}

#[test]
fn a_rar_is_read_as_it_was_meant() {
    let request = re_auth();
    let message = passed(request.message());
    let read = ReAuthRequest::read(&message).unwrap();
    assert_eq!((read.session, read.kind), (request.session, 0));
    assert_eq!(read.destination, request.destination);
    assert_eq!(read.avps, message.avps);
}

#[test]
fn what_is_missing_twice_or_no_number_is_named() {
    let without = |name| {
        let mut message = re_auth().message();
        message.avps.retain(|avp| avp.name() != name);
        ReAuthRequest::read(&message).unwrap_err()
    };
    for name in [
        name::SESSION_ID,
        ORIGIN_HOST,
        name::DESTINATION_HOST,
        name::RE_AUTH_REQUEST_TYPE,
    ] {
        assert_eq!(without(name), Bad::Missing(name));
        assert_eq!(without(name).result_code(), result::MISSING_AVP);
        assert_eq!(without(name).failed_avp().unwrap().name(), name);
    }
    let with = |avp: Avp| {
        let mut message = re_auth().message();
        message
            .avps
            .retain(|it| it.name() != name::RE_AUTH_REQUEST_TYPE);
        message.avps.push(avp);
        ReAuthRequest::read(&message).unwrap_err()
    };
    let short = Avp::mandatory(name::RE_AUTH_REQUEST_TYPE, [0; 3].as_slice());
    assert_eq!(with(short.clone()), Bad::Value(Box::new(short)));
    let second = Avp::mandatory(name::SESSION_ID, "another");
    assert_eq!(with(second.clone()), Bad::Twice(Box::new(second)));
}

#[test]
fn a_view_refuses_another_command() {
    let cer = capabilities().request();
    let bad = Err(Bad::Command(257));
    assert_eq!(ReAuthRequest::read(&cer), bad);
    assert_eq!(CapabilitiesAnswer::read(&cer), Err(Bad::Command(257)));
}

/// What is left of a message on the way through a wire.
fn passed(message: Message) -> Message {
    let bytes = message.write().unwrap();
    let read = Message::read(&bytes, &Dictionary::default()).unwrap();
    assert_eq!(read, message);
    assert_eq!(read.first_unknown(&Dictionary::default()), None);
    read
}

fn own() -> Identity {
    Identity {
        host: "weir.example".into(),
        realm: "example".into(),
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        identity: own(),
        addresses: vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        vendor: 0,
        product: "weir".into(),
        state: Some(77),
        vendors: [vendor::ERICSSON, vendor::TGPP].into(),
        applications: [application::GX].into(),
    }
}

fn initial() -> CreditControlRequest {
    CreditControlRequest {
        about: SessionRequest {
            session: "weir.example;1;2".into(),
            application: application::GX,
            origin: own(),
            realm: "policy.example".into(),
            host: Some("pcrf.policy.example".into()),
            state: Some(5),
        },
        kind: RequestType::Initial,
        number: 0,
        avps: vec![Avp::mandatory(
            name::FRAMED_IP_ADDRESS,
            [10, 7, 0, 2].as_slice(),
        )],
    }
}

fn re_auth() -> ReAuthRequest {
    ReAuthRequest {
        session: "weir.example;1;2".into(),
        application: application::GX,
        origin: Identity {
            host: "pcrf.policy.example".into(),
            realm: "policy.example".into(),
        },
        destination: own(),
        kind: 0,
        avps: vec![Avp::optional(name::SN_CF_POLICY_ID, 9)],
    }
}
