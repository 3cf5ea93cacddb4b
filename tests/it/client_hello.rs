//! Client Hellos of every shape: what the detector makes of them, and what a real origin does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use client_hello::{ClientHello, Detector, HELLO_LEN_MAX, Peek, Unreadable};
use proptest::prelude::*;
use tests::WAIT_MAX;
use tests::evasion::case::{Corpus, Sending, TlsCase};
use tests::evasion::hello::{Ech, HelloShape, Place};
use tests::gateway::Setup;

const POLICY: &str = "
lists: {banned: [blocked.test]}
profiles:
  all:
    block_list: [banned]
    default_action: pass
    unknown_action: pass
    error_action: pass
    undecidable_action: block
default_profile: all
";

/// An OpenSSL origin on loopback.
struct OpenSsl {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl OpenSsl {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["allowed.test".to_owned(), "blocked.test".to_owned()];
        let key = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(folder.path().join("crt"), key.cert.pem()).unwrap();
        let private = key.signing_key.serialize_pem();
        std::fs::write(folder.path().join("key"), private).unwrap();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .args(["-cert", "crt", "-key", "key", "-alpn", "h2,http/1.1"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok())
            .unwrap();
        // What it prints about each connection must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    /// Sends a hello and returns what came back first: the type of the record, and of the message.
    fn first_answer(&self, sending: &Sending) -> Option<(u8, u8)> {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
        socket.set_nodelay(true).unwrap();
        for (index, piece) in sending.pieces.iter().enumerate() {
            if index > 0 {
                std::thread::sleep(sending.pause);
            }
            // It may have answered with an alert before it has all.
            if socket.write_all(piece).is_err() {
                break;
            }
        }
        let mut answer = [0; 6];
        socket.read_exact(&mut answer).ok()?;
        Some((answer[0], answer[5]))
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_openssl_origin_answers_every_honest_hello() {
    if tests::tier_missing("openssl", tests::program_missing(&["openssl"])) {
        return;
    }
    let origin = OpenSsl::start();
    let mut failed = Vec::new();
    let mut answered = 0;
    for case in Corpus::read().tls {
        let Some(twin) = case.honest_twin() else {
            continue;
        };
        for sending in [case.evasion(), twin] {
            match origin.first_answer(&sending) {
                Some((22, 2)) => answered += 1,
                other => failed.push((case.name.clone(), other)),
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(answered >= 60, "{answered}");
}

#[test]
fn an_encrypted_hello_is_logged_with_its_outer_name() {
    let mut gateway = Setup::new(POLICY).tls_port(1).start();
    for (ech, shown) in [("none", None), ("grease", Some(true)), ("real", Some(true))] {
        let name = format!("{ech}.blocked.test");
        let shape = HelloShape::read(&format!("{{names: [{name}], ech: {ech}}}"));
        let (mut client, status) = gateway.connect("127.0.0.1:1");
        assert_eq!(status, 200);
        client.send(shape.wire(&shape.handshake(), &[100]));
        assert_eq!(client.rest().0, b"");
        let line = crate::wait_for_decisions(&gateway, &[&name], 1).remove(0);
        assert_eq!(line["ech"].as_bool(), shown, "{line}");
        assert_eq!(line["sni"], name.as_str(), "{line}");
        assert_eq!(line["source"], "block_list", "{line}");
    }
    let row = "weir_encrypted_client_hellos_total";
    assert_eq!(gateway.wait_for_metric(row, |it| it >= 2), 2);
}

#[test]
fn the_detector_gives_each_case_its_reason() {
    let mut wrong = Vec::new();
    for case in Corpus::read().tls {
        let found = word(&case);
        let claimed = case.verdict.as_deref().unwrap();
        let is_right = match found {
            // Names are judged elsewhere.
            None => claimed == "blocked" || claimed == "undecidable invalid_host",
            Some(reason) => claimed == format!("undecidable {reason}"),
        };
        if !is_right {
            wrong.push((case.name.clone(), found, claimed.to_owned()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the word for why there is no name, if there is none.
fn word(case: &TlsCase) -> Option<&'static str> {
    match peek(&case.evasion().bytes()) {
        Peek::NeedMore => Some("hello_too_late"),
        Peek::NotTls => Some("not_tls"),
        Peek::Hello(ClientHello { sni: None, .. }) => Some("no_sni"),
        Peek::Hello(_) => None,
        Peek::Unreadable(Unreadable::TooLong) => Some("hello_too_long"),
        Peek::Unreadable(Unreadable::Malformed) => Some("hello_malformed"),
        Peek::Unreadable(Unreadable::TwoNames) => Some("two_names"),
        Peek::Unreadable(Unreadable::Sslv2) => Some("sslv2_hello"),
    }
}

#[test]
fn every_prefix_of_every_case_asks_for_more_or_has_the_verdict() {
    for case in Corpus::read().tls {
        let bytes = case.evasion().bytes();
        let whole = peek(&bytes);
        // A byte at a time, and for some of the prefixes with a detector of their own.
        let mut detector = Detector::new(HELLO_LEN_MAX);
        let mut decided_at = None;
        for end in 0..=bytes.len() {
            let seen = detector.look(&bytes[..end]);
            let is_due = decided_at.is_some();
            assert!(
                seen == whole || (seen == Peek::NeedMore && !is_due),
                "{}: {seen:?} at {end}",
                case.name
            );
            if seen == whole && whole != Peek::NeedMore {
                decided_at = decided_at.or(Some(end));
            }
        }
        let sure = decided_at.unwrap_or(bytes.len());
        for end in (0..=bytes.len()).step_by(bytes.len() / 50 + 1) {
            let expected = if end < sure { &Peek::NeedMore } else { &whole };
            assert_eq!(&peek(&bytes[..end]), expected, "{} at {end}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What goes in comes out, whatever is around it and however it is cut.
    #[test]
    fn the_name_put_in_is_the_name_found(
        shape in any_shape(),
        records in prop::collection::vec(0_usize..600, 0..6),
        segments in prop::collection::vec(1_usize..400, 1..6),
    ) {
        let handshake = shape.handshake();
        let expected = match shape.names.as_slice() {
            [] => named(None, &shape),
            [one] => named(Some(one), &shape),
            _ => Peek::Unreadable(Unreadable::TwoNames),
        };
        // The last length repeats, so it cannot be nothing.
        let records = [records, vec![300]].concat();
        let bytes = shape.wire(&handshake, &records);
        prop_assert_eq!(&peek(&bytes), &expected);
        prop_assert_eq!(&in_pieces(&bytes, &segments), &expected);
        let single = shape.wire(&handshake, &[]);
        prop_assert_eq!(&peek(&single), &expected);
    }

    /// Wrong bytes too have one verdict under every cut of the same bytes.
    #[test]
    fn damage_has_one_verdict_under_every_cut(
        shape in any_shape(),
        records in prop::collection::vec(1_usize..600, 1..6),
        segments in prop::collection::vec(1_usize..400, 1..6),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        limit in 100_usize..3_000,
    ) {
        let mut bytes = shape.wire(&shape.handshake(), &records);
        for (place, byte) in damages {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let whole = Detector::new(limit).look(&bytes);
        let mut detector = Detector::new(limit);
        let mut end = 0;
        for piece in Sending::cut(&bytes, &segments, WAIT_MAX).pieces {
            end += piece.len();
            let seen = detector.look(&bytes[..end]);
            prop_assert!(seen == Peek::NeedMore || seen == whole, "{seen:?} at {end}");
        }
        prop_assert_eq!(detector.look(&bytes), whole);
    }

    /// Damage within the message has one verdict under every cut into records too, as long as no
    /// limit is met.
    #[test]
    fn damage_has_one_verdict_under_every_cut_into_records(
        shape in any_shape(),
        records in prop::collection::vec(1_usize..600, 1..6),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut handshake = shape.handshake();
        for (place, byte) in damages {
            // Beyond the header, whose length must stay what it is.
            let place = 4 + place.index(handshake.len() - 4);
            handshake[place] = byte;
        }
        let one = peek(&shape.wire(&handshake, &[]));
        prop_assert_eq!(peek(&shape.wire(&handshake, &records)), one);
    }
}

fn any_shape() -> impl Strategy<Value = HelloShape> {
    let names = prop::collection::vec("[a-zA-Z0-9._%-]{0,40}|(\\\\x[0-9a-f]{2}){0,20}", 0..3);
    let place = prop::sample::select(vec![Place::First, Place::Last, Place::VeryLast]);
    let ech = prop::sample::select(vec![Ech::None, Ech::Grease, Ech::Real, Ech::Inner]);
    let lengths = (
        prop_oneof![Just(0), 300_usize..20_000],
        prop_oneof![Just(0), 1_usize..5_000],
        0_u8..=32,
    );
    let flags = (any::<bool>(), any::<bool>());
    (names, place, ech, lengths, flags).prop_map(|(names, place, ech, lengths, flags)| {
        let (len, share_len, session_id_len) = lengths;
        let (grease, is_old) = flags;
        let new = HelloShape::default();
        HelloShape {
            names,
            place,
            ech,
            len,
            share_len,
            session_id_len,
            grease,
            versions: if is_old { Vec::new() } else { new.versions },
            alpn: if grease {
                vec!["h2".to_owned()]
            } else {
                Vec::new()
            },
            ..HelloShape::default()
        }
    })
}

fn named(name: Option<&str>, shape: &HelloShape) -> Peek {
    let sni = name.map(|name| tests::evasion::case::unescape(name).into());
    let ech = shape.ech != Ech::None;
    Peek::Hello(ClientHello { sni, ech })
}

fn peek(bytes: &[u8]) -> Peek {
    Detector::new(HELLO_LEN_MAX).look(bytes)
}

fn in_pieces(bytes: &[u8], lengths: &[usize]) -> Peek {
    let mut detector = Detector::new(HELLO_LEN_MAX);
    let (mut end, mut seen) = (0, Peek::NeedMore);
    for piece in Sending::cut(bytes, lengths, WAIT_MAX).pieces {
        end += piece.len();
        seen = detector.look(&bytes[..end]);
    }
    seen
}
