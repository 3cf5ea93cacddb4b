//! Where the proxy will not go, for clients that are not on loopback.

use tests::dns::Dns;
use tests::lab::{self, Lab, ORIGIN};

#[test]
fn the_gateway_of_a_lab_has_a_resolver_of_its_own() {
    if tests::tier_missing("transparent", lab::missing()) {
        return;
    }
    let lab = Lab::new();
    let resolver = format!("{}:53", ORIGIN[0]).parse().unwrap();
    let dns = lab.within(&lab.origin, || Dns::start_at(resolver));
    dns.script(
        "turns.test",
        &[&["192.0.2.1", "2001:db8::1"], &["127.0.0.1"]],
    );
    lab.resolve_by(ORIGIN[0]);
    let look_up = |name: &str| {
        let mut command = lab.command(&lab.gateway, "getent");
        let output = command.args(["ahostsv4", name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(look_up("turns.test").starts_with("192.0.2.1 "));
    assert!(look_up("turns.test").starts_with("127.0.0.1 "));
    assert_eq!(look_up("other.test"), "");
    assert_eq!(dns.look_ups("turns.test"), 2);
}
