use accounting::{DATAGRAM_LEN_MAX, Hint, Request};

const SECRET: &[u8] = b"secret";

/// Bytes of a header.
const HEADER_LEN: usize = 20;

/// A datagram of bytes is read or refused. As the attributes of a request by somebody who knows the
/// secret, what is read of them has its bounds, the answer has every Proxy-State and nothing else,
/// and no bit of the request can be changed.
pub fn radius_accounting(bytes: &[u8]) {
    let _ = Request::read(bytes, SECRET);
    let room = DATAGRAM_LEN_MAX - HEADER_LEN;
    let attributes = &bytes[..bytes.len().min(room)];
    let datagram = signed(attributes);
    let Ok(request) = Request::read(&datagram, SECRET) else {
        return;
    };
    for range in request.ranges() {
        assert_eq!(range, range.trunc());
    }
    let _ = (request.status(), request.nas(), request.session_id());
    let _ = (
        request.imsi(),
        request.calling_station(),
        request.called_station(),
    );
    let _ = (
        request.ends_the_session(),
        request.event_timestamp(),
        request.delay_s(),
    );
    for hint in [Hint::Class, Hint::FilterId] {
        assert!(request.hints(hint).all(|value| value.len() <= 253));
    }
    let answer = request.answer().unwrap();
    assert_eq!(answer[0], 5);
    assert_eq!(answer[1], datagram[1]);
    assert_eq!(answer[HEADER_LEN..], proxy_states(attributes));
    if let Some(place) = bytes
        .first()
        .map(|byte| usize::from(*byte) % datagram.len())
    {
        let mut changed = datagram;
        changed[place] ^= 1;
        assert!(Request::read(&changed, SECRET).is_err(), "byte {place}");
    }
}

fn signed(attributes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(HEADER_LEN + attributes.len()).unwrap();
    let mut bytes = vec![4, 9];
    bytes.extend(len.to_be_bytes());
    let sum = [&bytes, &[0; 16][..], attributes, SECRET].concat();
    bytes.extend(md5::compute(sum).0);
    bytes.extend(attributes);
    bytes
}

/// Returns the Proxy-State attributes, one behind the other.
fn proxy_states(mut attributes: &[u8]) -> Vec<u8> {
    let mut states = Vec::new();
    while let [kind, len, ..] = attributes {
        let (attribute, rest) = attributes.split_at(usize::from(*len));
        if *kind == 33 {
            states.extend(attribute);
        }
        attributes = rest;
    }
    states
}
