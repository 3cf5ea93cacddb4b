//! A line of a hosts file.

use std::net::IpAddr;

/// What hosts files call the machine itself and the groups that it is in.
const OWN_NAMES: [&str; 11] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

/// Returns the names of a line that are not the machine's own. None: it does not begin with an
/// address, or has no name at all.
pub(super) fn names(line: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let mut words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let address = words.next()?;
    let is_address = |word: &[u8]| {
        // A zone follows the address of an interface.
        let word = word.split(|&b| b == b'%').next().unwrap_or_default();
        str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok())
    };
    let mut words = words.peekable();
    words.peek().filter(|_| is_address(address))?;
    // Some lists map 0.0.0.0 to itself.
    Some(words.filter(move |word| !is_own(word) && *word != address))
}

fn is_own(name: &[u8]) -> bool {
    OWN_NAMES
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        check("0.0.0.0 a.example", Some(&["a.example"]));
        check(
            "127.0.0.1\ta.example  b.example",
            Some(&["a.example", "b.example"]),
        );
        check("::1 LocalHost ip6-loopback", Some(&[]));
        check("fe80::1%lo0 localhost", Some(&[]));
        check("0.0.0.0 0.0.0.0", Some(&[]));
        check("a.example", None);
        check("0.0.0.0", None);
        check("a.example b.example", None);
        check("", None);
    }

    #[track_caller]
    fn check(line: &str, expected: Option<&[&str]>) {
        let found: Option<Vec<_>> = names(line.as_bytes()).map(Iterator::collect);
        let expected = expected.map(|names| names.iter().map(|name| name.as_bytes()).collect());
        assert_eq!(found, expected);
    }
}
