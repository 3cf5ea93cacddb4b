use diameter::name::{
    CALLED_STATION_ID, FRAMED_IP_ADDRESS, FRAMED_IPV6_PREFIX, SUBSCRIPTION_ID,
    SUBSCRIPTION_ID_DATA, SUBSCRIPTION_ID_TYPE,
};
use diameter::{Avp, AvpName};
use ipnet::{IpNet, Ipv6Net};
use sessions::Subscriber;

/// Subscription-Id-Type: an MSISDN (RFC 8506 section 8.47).
const E164: u32 = 0;
/// Subscription-Id-Type: an IMSI.
const IMSI: u32 = 1;

/// Writes who a session is for.
pub(crate) fn avps(subscriber: &Subscriber) -> Vec<Avp> {
    let mut avps = Vec::new();
    avps.extend(id(E164, subscriber.msisdn.as_deref()));
    avps.extend(id(IMSI, subscriber.imsi.as_deref()));
    for range in &subscriber.ranges {
        avps.push(match range {
            IpNet::V4(v4) => Avp::mandatory(FRAMED_IP_ADDRESS, v4.addr().octets().as_slice()),
            IpNet::V6(v6) => Avp::mandatory(FRAMED_IPV6_PREFIX, prefix(*v6).as_slice()),
        });
    }
    let apn = subscriber.apn.as_deref();
    avps.extend(apn.map(|apn| Avp::mandatory(CALLED_STATION_ID, apn)));
    avps
}

/// Makes an AVP of 3GPP or another vendor. What does not know it may skip it: a policy server
/// must refuse the whole request otherwise.
pub(crate) fn vendor_avp(name: AvpName, value: u32) -> Avp {
    Avp::optional(name, value)
}

fn id(kind: u32, value: Option<&str>) -> Option<Avp> {
    let inside = vec![
        Avp::mandatory(SUBSCRIPTION_ID_TYPE, kind),
        Avp::mandatory(SUBSCRIPTION_ID_DATA, value?),
    ];
    Some(Avp::mandatory(SUBSCRIPTION_ID, inside))
}

/// RFC 3162 section 2.3: a reserved octet, the length, and as many octets as that takes.
fn prefix(prefix: Ipv6Net) -> Vec<u8> {
    let len = prefix.prefix_len();
    let octets = prefix.trunc().addr().octets();
    let used = octets.iter().take(usize::from(len.div_ceil(8)));
    [0, len].iter().chain(used).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_as_many_octets_as_they_need() {
        check("2001:db8:7::/64", &[0, 64, 0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0]);
        check(
            "2001:db8:7::1/60",
            &[0, 60, 0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0],
        );
        check("2001:db8::/32", &[0, 32, 0x20, 1, 0x0d, 0xb8]);
        check("::/0", &[0, 0]);
        check(
            "::1/128",
            &[0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        );
    }

    #[track_caller]
    fn check(text: &str, expected: &[u8]) {
        assert_eq!(prefix(text.parse().unwrap()), expected);
    }
}
