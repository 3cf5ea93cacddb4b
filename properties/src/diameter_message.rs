use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use diameter::client::{Client, ClientAct, ClientSettings};
use diameter::command::{
    Capabilities, CapabilitiesAnswer, CreditControlAnswer, CreditControlRequest, DisconnectRequest,
    ReAuthRequest, WatchdogRequest,
};
use diameter::name::application::GX;
use diameter::peer::{Act, BackOff, PeerSettings, Standing};
use diameter::{Dictionary, Framed, Header, Identity, MESSAGE_LEN_MAX, Message, frame};
use gx::{Gx, Release, Settings, Updates};
use sessions::{Fallback, SessionEvent, SessionKey};

use crate::cuts;

const KEY: SessionKey = SessionKey(1);

const SECOND: Duration = Duration::from_secs(1);

/// What a Diameter peer sends: its messages end at the same places under every cut, are written
/// as they were read, and what refuses one can be sent.
pub fn diameter_message(bytes: &[u8]) {
    let (ends, is_bad) = ends(bytes);
    for way in cuts::ways(bytes) {
        check_cut(bytes, &way, &ends, is_bad);
    }
    for message in messages(bytes) {
        self::message(message);
    }
    // Also what no stream would have framed.
    message(bytes);
    peer_says(bytes);
}

/// Returns the messages that a stream begins with.
fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    ends(bytes).0.into_iter().map(move |end| {
        let message = &bytes[start..end];
        start = end;
        message
    })
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

/// A client with a session hears this from a policy server: whatever it says to it can be sent,
/// and every request has one answer.
fn peer_says(bytes: &[u8]) {
    let now = Instant::now();
    let settings = gx_settings();
    let dictionary = Arc::new(settings.dictionary());
    let mut client = connected(&settings, &dictionary, now);
    let mut gx = Gx::new(settings);
    gx.tell(SessionEvent::Opened(KEY, Arc::default()), now)
        .unwrap();
    let ask = gx.next_request().unwrap();
    client.request(ask.session, ask.message, now).unwrap();
    let (_, asked) = sent(&mut client, &mut gx, now);
    let asked = asked.unwrap();
    for message in messages(bytes) {
        let bytes = Bytes::copy_from_slice(message);
        let is_request = message[4] & diameter::REQUEST != 0;
        let was_open = client.stands() > Standing::Down;
        match Message::read(&bytes, &dictionary) {
            Ok(mut message) => {
                if !is_request {
                    // As if it were the answer that is awaited.
                    message.header.hop_by_hop = asked.hop_by_hop;
                    message.header.end_to_end = asked.end_to_end;
                }
                client.received(0, message, now);
            }
            Err(refused) => client.refused(0, &refused, now),
        }
        let (answers, _) = sent(&mut client, &mut gx, now);
        if was_open {
            assert_eq!(answers, usize::from(is_request), "one answer to a request");
        }
        while gx.note().is_some() {}
    }
}

/// Does what the client wants done, and returns how many answers it sent, and its last request.
fn sent(client: &mut Client<SessionKey>, gx: &mut Gx, now: Instant) -> (usize, Option<Header>) {
    let mut answers = 0;
    let mut request = None;
    while let Some(act) = client.act() {
        match act {
            ClientAct::Peer(_, Act::Send(message)) => {
                sendable(&message);
                if message.header.is_request() {
                    request = Some(message.header);
                } else {
                    answers += 1;
                }
            }
            ClientAct::Asked(asked) => {
                let answer = gx.asked(&asked.request);
                client.answer(&asked, answer, now);
            }
            ClientAct::Answered(session, answer) => gx.answered(session, &answer, now),
            ClientAct::Failed(session, failure) => gx.failed(session, failure, now),
            ClientAct::Peer(..) | ClientAct::Stray | ClientAct::Again => {}
        }
    }
    (answers, request)
}

/// Returns a client whose only peer stands.
fn connected(
    settings: &Settings,
    dictionary: &Arc<Dictionary>,
    now: Instant,
) -> Client<SessionKey> {
    let own = Capabilities {
        identity: settings.own.clone(),
        addresses: Vec::new(),
        vendor: 0,
        product: "weir".into(),
        state: None,
        vendors: [].into(),
        applications: [GX].into(),
    };
    let peer = PeerSettings {
        own: own.clone(),
        host: None,
        application: GX,
        dictionary: Arc::clone(dictionary),
        watchdog: SECOND * 30,
        setup: SECOND,
        back_off: BackOff {
            first: SECOND,
            max: SECOND,
        },
    };
    let client = ClientSettings {
        answer: SECOND,
        pending_max: 1,
    };
    let mut client = Client::new(client, [Arc::new(peer)], 1, 1, now);
    client.tick(now);
    client.connected(0, std::net::Ipv4Addr::LOCALHOST.into(), now);
    while let Some(act) = client.act() {
        if let ClientAct::Peer(0, Act::Send(cer)) = act {
            client.received(0, own.answer(&cer, 2001), now);
        }
    }
    assert_eq!(client.stands(), Standing::Ready);
    client
}

fn gx_settings() -> Settings {
    Settings {
        own: Identity {
            host: "weir.example".into(),
            realm: "example".into(),
        },
        realm: "example".into(),
        state: 1,
        first_id: 0,
        profile_avp: diameter::name::SN_CF_POLICY_ID,
        capability: None,
        release: Release::Eight,
        updates: Updates::Reported,
        network: 5,
        fallback: Fallback::NextSource,
        patience: SECOND,
        retry: SECOND,
        sessions_max: 1,
    }
}
