//! Any tree that is written is read as it was, and no octets make a reader panic.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use diameter::{Avp, AvpName, DEPTH_MAX, Dictionary, Framed, Header, Message, Shape, Value, frame};
use proptest::collection::vec;
use proptest::prelude::*;

/// Names of all kinds: known and not, single and group, with and without a vendor.
fn name(shape: Shape) -> impl Strategy<Value = AvpName> {
    match shape {
        Shape::Group => prop_oneof![
            Just(AvpName::base(279)),
            Just(AvpName::base(284)),
            Just(AvpName::of(10415, 1001)),
            Just(AvpName::of(10415, 1003)),
        ]
        .boxed(),
        Shape::Single => prop_oneof![
            Just(AvpName::base(263)),
            Just(AvpName::of(10415, 1005)),
            Just(AvpName::of(8164, 529)),
            (100_000_u32..).prop_map(AvpName::base),
            (1_u32.., 100_000_u32..).prop_map(|(vendor, code)| AvpName::of(vendor, code)),
        ]
        .boxed(),
    }
}

fn single() -> impl Strategy<Value = Avp> {
    (name(Shape::Single), any::<u8>(), vec(any::<u8>(), 0..9))
        .prop_map(|(name, flags, octets)| Avp::new(name, flags, Value::Octets(octets.into())))
}

fn tree() -> impl Strategy<Value = Avp> {
    let depth = u32::try_from(DEPTH_MAX).unwrap();
    single().prop_recursive(depth, 64, 4, |inside| {
        (name(Shape::Group), any::<u8>(), vec(inside, 0..4))
            .prop_map(|(name, flags, avps)| Avp::new(name, flags, Value::Group(avps)))
    })
}

fn message() -> impl Strategy<Value = Message> {
    let ids = (any::<u32>(), any::<u32>(), any::<u32>());
    let fields = (any::<u8>(), 0_u32..1 << 24, ids, vec(tree(), 0..8));
    fields.prop_map(|(flags, command, ids, avps)| Message {
        header: Header {
            // A request is no error.
            flags: if flags & 0xa0 == 0xa0 {
                flags & !0x20
            } else {
                flags
            },
            command,
            application: ids.0,
            hop_by_hop: ids.1,
            end_to_end: ids.2,
        },
        avps,
    })
}

fn read(bytes: &Bytes) -> Option<Message> {
    Message::read(bytes, &Dictionary::default()).ok()
}

proptest! {
    #[test]
    fn a_tree_comes_back(message in message()) {
        let bytes = message.write().unwrap();
        prop_assert_eq!(frame(&bytes), Framed::Message(bytes.len()));
        let read = read(&bytes).unwrap();
        prop_assert_eq!(read.write().unwrap(), bytes);
        prop_assert_eq!(read, message);
    }

    #[test]
    fn a_flipped_octet_is_read_losslessly_or_refused(
        message in message(),
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut bytes = message.write().unwrap().to_vec();
        *place.get_mut(&mut bytes) = octet;
        let bytes = Bytes::from(bytes);
        if let Some(read) = read(&bytes) {
            prop_assert_eq!(read.write().unwrap(), bytes);
        }
    }

    #[test]
    fn the_end_is_found_under_every_cut(message in message(), behind in vec(any::<u8>(), 0..40)) {
        let len = message.write().unwrap().len();
        let stream = [message.write().unwrap().to_vec(), behind].concat();
        for end in 0..stream.len() {
            let expected = if end < len { Framed::NeedMore } else { Framed::Message(len) };
            prop_assert_eq!(frame(&stream[..end]), expected);
        }
    }
}
