use std::collections::BTreeSet;

use crate::AvpName;
use crate::name::vendor::{ERICSSON, STARENT, TGPP};

/// How many codes of a vendor are known, in ranges from first to last: what RFC 6733 has, and
/// what 3GPP TS 29.212 defines for Gx or takes over from elsewhere (sections 5.3 and 5.4).
/// Knowing an AVP means to know that who and what is filtered does not depend on it.
const KNOWN: [(u32, u32, u32); 27] = [
    // User-Name to Proxy-State, and what else RFC 7155 shares with RADIUS.
    (0, 1, 39),
    (0, 40, 64),
    (0, 85, 102),
    (0, 123, 123),
    // RFC 6733.
    (0, 257, 300),
    (0, 363, 366),
    // RFC 7155.
    (0, 400, 408),
    // RFC 8506.
    (0, 411, 461),
    (0, 480, 483),
    // RFC 7683, 7944 and 8583: overload, priority, load.
    (0, 301, 301),
    (0, 621, 627),
    (0, 649, 650),
    // 3GPP TS 29.061.
    (TGPP, 1, 31),
    // 3GPP TS 29.214.
    (TGPP, 500, 569),
    // 3GPP TS 29.229.
    (TGPP, 628, 631),
    // 3GPP TS 29.329 and 32.299, of which Gx takes some.
    (TGPP, 701, 701),
    (TGPP, 872, 872),
    (TGPP, 909, 909),
    (TGPP, 1247, 1247),
    (TGPP, 1263, 1263),
    // 3GPP TS 29.212.
    (TGPP, 1000, 1099),
    (TGPP, 2800, 2899),
    // 3GPP TS 29.272: what it says of access networks.
    (TGPP, 1400, 1450),
    (TGPP, 1600, 1610),
    // 3GPP TS 32.299: trigger and accuracy of the location.
    (TGPP, 1437, 1437),
    (ERICSSON, 1060, 1060),
    (STARENT, 529, 529),
];

/// Those of the known that hold other AVPs.
const GROUPS: [(u32, &[u32]); 2] = [
    (
        0,
        &[
            260, 279, 284, 297, 300, 401, 402, 413, 423, 430, 431, 434, 437, 440, 443, 445, 446,
            456, 457, 458, 621, 623, 650,
        ],
    ),
    (
        TGPP,
        &[
            502, 508, 510, 517, 519, 526, 530, 628, 631, 1001, 1002, 1003, 1013, 1016, 1018, 1022,
            1033, 1034, 1038, 1039, 1049, 1051, 1052, 1053, 1055, 1058, 1061, 1067, 1075, 1076,
            1078, 1081, 1085, 1087, 1092, 1093, 1094, 1097, 1098, 2813, 2816, 2818, 2822, 2825,
            2835, 2840, 2845, 2846,
        ],
    ),
];

/// What an AVP carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A value.
    Single,
    /// Other AVPs.
    Group,
}

/// Which AVPs are known. The default knows those of Gx.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    singles: BTreeSet<AvpName>,
}

impl Dictionary {
    /// Adds an AVP that carries a value, such as a vendor's.
    #[must_use]
    pub fn with(mut self, name: AvpName) -> Self {
        self.singles.insert(name);
        self
    }

    /// Returns what an AVP carries; none if it is not known.
    #[must_use]
    pub fn shape(&self, name: AvpName) -> Option<Shape> {
        if self.singles.contains(&name) {
            return Some(Shape::Single);
        }
        let listed = |(vendor, codes): &(u32, &[u32])| {
            *vendor == name.vendor && codes.binary_search(&name.code).is_ok()
        };
        if GROUPS.iter().any(listed) {
            return Some(Shape::Group);
        }
        let within = |(vendor, first, last): &(u32, u32, u32)| {
            *vendor == name.vendor && (*first..=*last).contains(&name.code)
        };
        KNOWN.iter().any(within).then_some(Shape::Single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name;

    #[test]
    fn what_gx_needs_is_known() {
        check(name::SESSION_ID, Some(Shape::Single));
        check(name::CHARGING_RULE_INSTALL, Some(Shape::Group));
        check(name::CHARGING_RULE_NAME, Some(Shape::Single));
        check(name::GX_CAPABILITY_LIST, Some(Shape::Single));
        check(name::SN_CF_POLICY_ID, Some(Shape::Single));
        check(AvpName::of(ERICSSON, 1061), None);
        check(AvpName::of(TGPP, 999), None);
        check(AvpName::base(999), None);
    }

    #[test]
    fn the_codes_of_groups_are_sorted_and_known() {
        for (vendor, codes) in GROUPS {
            assert!(codes.is_sorted(), "vendor {vendor}");
            let known = |code: &u32| {
                let mut ranges = KNOWN.iter().filter(|range| range.0 == vendor);
                ranges.any(|(_, first, last)| (first..=last).contains(&code))
            };
            assert_eq!(codes.iter().find(|code| !known(code)), None);
        }
    }

    #[test]
    fn an_added_name_is_a_single() {
        let added = AvpName::of(193, 4711);
        let dictionary = Dictionary::default().with(added);
        assert_eq!(dictionary.shape(added), Some(Shape::Single));
        check(added, None);
    }

    #[track_caller]
    fn check(name: AvpName, expected: Option<Shape>) {
        assert_eq!(Dictionary::default().shape(name), expected, "{name}");
    }
}
