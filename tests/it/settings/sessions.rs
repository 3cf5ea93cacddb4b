//! Who is behind an address, and which profile that session has.

use super::*;

#[test]
fn sessions_select_the_profile() {
    let origin = Origin::start("web");
    for (sessions, expected) in [
        // Without a session the policy's default profile applies.
        ("static: [{clients: ['10.0.0.0/8'], profile: open}]", 403),
        ("static: [{clients: ['127.0.0.0/8'], profile: open}]", 200),
        (
            "static: [{clients: ['127.0.0.1/32'], profile: child}, \
             {clients: ['127.0.0.0/8'], profile: open}]",
            403,
        ),
        (
            "static: [{clients: ['127.0.0.1/32'], profile: open}, \
             {clients: ['127.0.0.0/8'], profile: child}]",
            200,
        ),
        // An access point's default comes before the policy's, and after the session's own.
        (
            "static: [{clients: ['127.0.0.0/8'], apn: Internet}]\n  apn_defaults: {internet: open}",
            200,
        ),
        (
            "static: [{clients: ['127.0.0.0/8'], apn: other}]\n  apn_defaults: {internet: open}",
            403,
        ),
        (
            "static: [{clients: ['127.0.0.0/8'], apn: internet, profile: child}]\n  \
             apn_defaults: {internet: open}",
            403,
        ),
        // Rules are what a policy server reports; they select nothing for static sessions.
        (
            "static: [{clients: ['127.0.0.0/8']}]\n  \
             rules: [{rule: acr-open, profile: open, priority: 10}]",
            403,
        ),
    ] {
        let gateway = lists_alone(&origin)
            .line(&format!("sessions:\n  {sessions}"))
            .start();
        let status = gateway.client().get("http://blocked.test/").status;
        assert_eq!(status, expected, "{sessions}");
    }
}

#[test]
fn sessions_fill_redirects_in() {
    let origin = Origin::start("web");
    let gateway = lists_alone(&origin)
        .line(
            "sessions:\n  static: [{clients: ['127.0.0.0/8'], msisdn: '111220000001', \
             imsi: '10020000000007'}]",
        )
        .start();
    let answer = gateway.client().get("http://moved.test/");
    let expected = "http://notice.test/?imsi=10020000000007&msisdn=111220000001";
    assert_eq!(answer.header("location"), Some(expected));
}
