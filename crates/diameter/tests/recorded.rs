//! What python-diameter and freeDiameter said to each other is read and written again.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use diameter::command::{
    Capabilities, CapabilitiesAnswer, CreditControlAnswer, CreditControlRequest, DisconnectRequest,
    ReAuthRequest, RequestType, WatchdogRequest,
};
use diameter::name::{self, command_code};
use diameter::{Dictionary, Fields, Framed, Message, frame};
use expect_test::expect;

const RECORDED: &[u8] = include_bytes!("../../../fixtures/diameter/gx.bin");

#[test]
fn every_message_is_read_and_written_again() {
    let messages = messages();
    assert_eq!(messages.len(), 32);
    for (bytes, message) in messages {
        assert_eq!(message.write().unwrap(), bytes);
        assert_eq!(message.first_unknown(&Dictionary::default()), None);
    }
}

#[test]
fn every_message_has_its_view() {
    let lines: Vec<String> = messages().iter().map(|(_, it)| line(it)).collect();
    expect![[r#"
        CER dra.sieve.test freeDiameter Gx: true
        CEA Base(3010) Gx: None
        CER pgw.sieve.test python-diameter Gx: true
        CEA Base(2001) Gx: Some(true)
        DWR dra.sieve.test
        answer to 280
        CCR Initial 0 2
        DWR dra.sieve.test
        CCR Initial 0 2
        answer to 280
        DWR dra.sieve.test
        answer to 280
        CCA Some(Initial) Base(2001) Some(7)
        CCA Some(Initial) Base(2001) Some(7)
        RAR 9
        RAR 9
        answer to 258
        answer to 258
        CCR Update 1 2
        CCR Update 1 2
        CCA Some(Update) Base(2001) Some(7)
        CCA Some(Update) Base(2001) Some(7)
        CCR Termination 2 2
        CCR Termination 2 2
        CCA Some(Termination) Base(2001) None
        CCA Some(Termination) Base(2001) None
        DPR Rebooting
        answer to 282
        CER dra.sieve.test freeDiameter Gx: true
        CEA Base(3010) Gx: None
        DWR dra.sieve.test
        answer to 280"#]]
    .assert_eq(&lines.join("\n"));
}

fn line(message: &Message) -> String {
    let is_request = message.header.is_request();
    match (message.header.command, is_request) {
        (command_code::CAPABILITIES_EXCHANGE, true) => {
            let read = Capabilities::read_request(message).unwrap();
            let gx = read.serves(name::application::GX);
            format!("CER {} {} Gx: {gx}", read.identity.host, read.product)
        }
        (command_code::CAPABILITIES_EXCHANGE, false) => {
            let read = CapabilitiesAnswer::read(message).unwrap();
            let gx = read.capabilities.map(|it| it.serves(name::application::GX));
            format!("CEA {:?} Gx: {gx:?}", read.outcome)
        }
        (command_code::CREDIT_CONTROL, true) => {
            let read = CreditControlRequest::read(message).unwrap();
            let subscriptions = read.avps.all(name::SUBSCRIPTION_ID).count();
            format!("CCR {:?} {} {subscriptions}", read.kind, read.number)
        }
        (command_code::CREDIT_CONTROL, false) => {
            let read = CreditControlAnswer::read(message).unwrap();
            let profile = read.avps.optional(name::SN_CF_POLICY_ID).unwrap();
            let profile = profile.map(|avp| avp.number().unwrap());
            assert_ne!(read.kind, None::<RequestType>);
            format!("CCA {:?} {:?} {profile:?}", read.kind, read.outcome)
        }
        (command_code::RE_AUTH, true) => {
            let read = ReAuthRequest::read(message).unwrap();
            let profile = read.avps.required(name::SN_CF_POLICY_ID).unwrap();
            format!("RAR {}", profile.number().unwrap())
        }
        (command_code::DEVICE_WATCHDOG, true) => {
            format!(
                "DWR {}",
                WatchdogRequest::read(message).unwrap().origin.host
            )
        }
        (command_code::DISCONNECT_PEER, true) => {
            format!("DPR {:?}", DisconnectRequest::read(message).unwrap().cause)
        }
        (command, _) => format!("answer to {command}"),
    }
}

fn messages() -> Vec<(Bytes, Message)> {
    let mut rest = Bytes::from_static(RECORDED);
    let mut messages = Vec::new();
    while let Framed::Message(len) = frame(&rest) {
        let bytes = rest.split_to(len);
        let message = Message::read(&bytes, &Dictionary::default()).unwrap();
        messages.push((bytes, message));
    }
    assert!(rest.is_empty());
    messages
}
