use bytes::Bytes;
use diameter::command::{
    Capabilities, CapabilitiesAnswer, CreditControlAnswer, CreditControlRequest, DisconnectRequest,
    ReAuthRequest, WatchdogRequest,
};
use diameter::{Dictionary, Framed, Identity, MESSAGE_LEN_MAX, Message, frame};

use crate::cuts;

/// What a Diameter peer sends: its messages end at the same places under every cut, are written
/// as they were read, and what refuses one can be sent.
pub fn diameter_message(bytes: &[u8]) {
    let (ends, is_bad) = ends(bytes);
    for way in cuts::ways(bytes) {
        check_cut(bytes, &way, &ends, is_bad);
    }
    let mut start = 0;
    for end in ends {
        message(&bytes[start..end]);
        start = end;
    }
    // Also what no stream would have framed.
    message(bytes);
}

/// Returns where messages end, and whether none can follow.
fn ends(bytes: &[u8]) -> (Vec<usize>, bool) {
    let mut ends = Vec::new();
    let mut start = 0;
    loop {
        match frame(&bytes[start..]) {
            Framed::NeedMore => return (ends, false),
            Framed::Bad(_) => return (ends, true),
            Framed::Message(len) => {
                assert!((20..=MESSAGE_LEN_MAX).contains(&len));
                start += len;
                ends.push(start);
            }
        }
    }
}

fn check_cut(bytes: &[u8], way: &[usize], expected: &[usize], is_bad: bool) {
    let mut found = Vec::new();
    let mut start = 0;
    let mut bad = false;
    for received in way {
        while !bad {
            match frame(&bytes[start..*received]) {
                Framed::NeedMore => break,
                Framed::Bad(_) => bad = true,
                Framed::Message(len) => {
                    start += len;
                    found.push(start);
                }
            }
        }
    }
    assert_eq!(
        (found.as_slice(), bad),
        (expected, is_bad),
        "pieces end at {way:?}"
    );
}

fn message(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let dictionary = Dictionary::default();
    let own = Identity {
        host: "weir.example".into(),
        realm: "example".into(),
    };
    let read = match Message::read(&bytes, &dictionary) {
        Ok(read) => read,
        Err(refused) => {
            assert!(refused.bad.result_code() >= 3000);
            if let Some(answer) = refused.answer(&own) {
                sendable(&answer);
            }
            return;
        }
    };
    assert_eq!(read.write().as_ref(), Ok(&bytes), "written as read");
    sendable(&read.answer(2001, &own));
    if let Some(unknown) = read.first_unknown(&dictionary) {
        let mut answer = read.answer(5001, &own);
        let failed = diameter::Avp::mandatory(diameter::name::FAILED_AVP, vec![unknown]);
        answer.avps.push(failed);
        sendable(&answer);
    }
    views(&read);
}

/// What is sent is read by the other side as it was meant, unless it is too long to be sent.
fn sendable(message: &Message) {
    if let Ok(bytes) = message.write() {
        let read = Message::read(&bytes, &Dictionary::default());
        assert_eq!(read.unwrap().header, message.header);
    }
}

fn views(read: &Message) {
    if let Ok(view) = Capabilities::read_request(read) {
        let written = view.request();
        assert_eq!(Capabilities::read_request(&written), Ok(view));
    }
    if let Ok(view) = WatchdogRequest::read(read) {
        assert_eq!(WatchdogRequest::read(&view.message()), Ok(view));
    }
    if let Ok(view) = DisconnectRequest::read(read) {
        assert_eq!(DisconnectRequest::read(&view.message()), Ok(view));
    }
    let _ = CapabilitiesAnswer::read(read);
    let _ = CreditControlAnswer::read(read);
    let _ = CreditControlRequest::read(read);
    let _ = ReAuthRequest::read(read);
}
