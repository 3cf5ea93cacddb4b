use super::*;
use crate::Origin;

#[test]
fn a_session_is_found_in_one_line() {
    assert_eq!((size_of::<Line>(), align_of::<Line>()), (64, 64));
}

proptest::proptest! {
    #[test]
    fn every_ipv4_prefix_has_a_tag_of_its_own(bits in 0..1_u64 << IPV4_BITS) {
        proptest::prop_assert_eq!(unmixed(mixed(bits)), bits);
    }
}

/// The way back.
fn unmixed(mixed: u64) -> u64 {
    let mask = (1 << IPV4_BITS) - 1;
    let folded = mixed.wrapping_mul(inverse(0xD1B5_4A32_D192_ED03)) & mask;
    let first = folded ^ (folded >> (IPV4_BITS / 2));
    first.wrapping_mul(inverse(0x9E37_79B9_7F4A_7C15)) & mask
}

/// What an odd number is multiplied with to be 1.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |it, _| {
        it.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(it)))
    })
}

#[test]
fn what_is_removed_leaves_no_gap() {
    // All want the last places, so that they reach over the end.
    let slots = Slots::new(8);
    let moves = AtomicU64::new(0);
    let keys: Vec<Key> = (0..6).map(|n| key_at(8, 6 + n % 2, n)).collect();
    let draft = Line::new();
    let sessions: Vec<Facts> = (0..6).map(facts).collect();
    for (key, session) in keys.iter().zip(&sessions) {
        assert!(!slots.replace(*key, session, &draft));
        slots.insert(*key, session);
    }
    assert!(!slots.has_room());
    for removed in 0..keys.len() {
        slots.remove(keys[removed], &moves);
        slots.remove(keys[removed], &moves);
        for (nth, key) in keys.iter().enumerate() {
            let found = match slots.find(*key, &draft) {
                Seen::Session(found) => Some(Facts::of_words(found)),
                Seen::Nothing => None,
                Seen::Changed => panic!("nobody writes"),
            };
            let found = found.map(|found| found == sessions[nth]);
            assert_eq!(
                found,
                (nth > removed).then_some(true),
                "{nth} after {removed}"
            );
        }
    }
    assert!(slots.slots.iter().all(|slot| slot.kind() == EMPTY));
    let mut left = slots.slots.iter().filter_map(Line::read);
    assert!(left.all(|sight| sight.words == Words::default()));
    assert_eq!(slots.used.load(Ordering::Relaxed), 0);
    assert!(moves.into_inner() > 0);
}

#[test]
fn ipv6_prefixes_that_share_a_tag_are_told_apart() {
    let slots = Slots::new(8);
    let moves = AtomicU64::new(0);
    let nets = ["2001:db8::/64", "2001:db8:1::/64"];
    let draft = Line::new();
    let sessions = [0, 1].map(facts);
    let keys = nets.map(|net| Key {
        tag: 7,
        ..Key::of(&net.parse().unwrap())
    });
    slots.insert(keys[0], &sessions[0]);
    assert!(matches!(slots.find(keys[1], &draft), Seen::Nothing));
    assert!(!slots.replace(keys[1], &sessions[1], &draft));
    slots.insert(keys[1], &sessions[1]);
    for nth in 0..2 {
        let found = slots.find(keys[nth], &draft);
        assert!(
            matches!(found, Seen::Session(found) if Facts::of_words(found) == sessions[nth]),
            "{nth}: {found:?}"
        );
    }
    slots.remove(keys[0], &moves);
    assert!(matches!(slots.find(keys[0], &draft), Seen::Nothing));
    assert!(matches!(slots.find(keys[1], &draft), Seen::Session(_)));
}

/// The nth key with a home.
pub(in crate::live) fn key_at(count: usize, home: usize, nth: usize) -> Key {
    let first = (u64::try_from(home).unwrap() << TAG_BITS) / u64::try_from(count).unwrap();
    Key {
        tag: first + 2 * u64::try_from(nth).unwrap(),
        prefix: [0; PREFIX_WORDS],
        length: 0,
    }
}

pub(in crate::live) fn facts(place: u32) -> Facts {
    Facts {
        msisdn: None,
        imsi: None,
        apn: 0,
        profile: 0,
        nas: 0,
        origin: Origin::Configuration,
        changed_s: 1,
        place,
    }
}
