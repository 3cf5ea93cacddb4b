//! An operator and a NAS, about one session.

use tests::peers::radius::radclient;
use tests::{program_missing, tier_missing};

use super::*;

const SECRET: &str = "weir-secret";

const START: &str = "Acct-Status-Type = Start\nAcct-Session-Id = \"0A01\"\nNAS-IP-Address = 192.0.2.1\n\
    Framed-IP-Address = 127.0.0.2\nCalling-Station-Id = \"111220000001\"\n\
    3GPP-IMSI = \"10020000000007\"\nClass = 0x6b696473\n";

const CHILD: &str = "http://child.test/?m=111220000001&i=10020000000007";

#[test]
fn what_an_operator_gave_comes_before_what_is_reported_later() {
    let missing = program_missing(&["radclient"]);
    if tier_missing("9, real peers", missing) {
        return;
    }
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("secret"), SECRET).unwrap();
    let world = World::start_with(&format!(
        "radius:
    listen: ['127.0.0.1:0']
    clients: [{{address: 127.0.0.1, secret_file: '{}/secret'}}]
    profiles: [{{attribute: class, value: kids, profile: child}}]",
        secrets.path().display()
    ));
    let line = world
        .gateway
        .program
        .wait_for_line(&["\"listener\":\"radius\""]);
    let json: Value = serde_json::from_str(&line).unwrap();
    let fields = json.get("fields").unwrap_or(&json);
    let radius = fields["address"].as_str().unwrap().parse().unwrap();
    let report = |lines: &str| {
        let (answered, printed) = radclient(radius, SECRET, lines);
        assert!(answered, "{printed}");
    };
    let later = START.replace("= Start", "= Interim-Update");
    report(START);
    assert_eq!(world.browse(), CHILD);
    let told = body(&world.ask("GET", "/sessions/127.0.0.2"));
    let said = ["profile", "origin", "nas", "id", "msisdn"].map(|key| told[key].as_str().unwrap());
    assert_eq!(
        said,
        ["child", "attribute", "192.0.2.1", "0A01", "111220000001"]
    );
    assert!(told["expires"].is_string(), "{told}");
    let teen = json!({"profile": "teen"});
    assert_eq!(world.put(SUBSCRIBER, &teen).status, 200);
    assert_eq!(world.browse(), "http://teen.test/");
    report(&later);
    assert_eq!(world.browse(), "http://teen.test/", "the operator's stays");
    let told = body(&world.ask("GET", "/sessions/127.0.0.2"));
    assert_eq!(
        (&told["origin"], &told["nas"]),
        (&json!("admin"), &json!("192.0.2.1"))
    );
    assert_eq!(
        told["msisdn"], "111220000001",
        "what the NAS alone says is as it says"
    );
    // Without a profile it is what the NAS reports again.
    assert_eq!(world.put(SUBSCRIBER, &json!({})).status, 200);
    assert_eq!(world.browse(), "passed");
    report(&(later + "Acct-Session-Time = 7\n"));
    assert_eq!(world.browse(), CHILD);
    assert_eq!(world.put(SUBSCRIBER, &teen).status, 200);
    assert_eq!(world.ask("DELETE", "/sessions/127.0.0.2").status, 204);
    assert_eq!(world.browse(), "passed", "as the configuration says");
    report(&(START.replace("0A01", "0A02")));
    assert_eq!(
        world.browse(),
        CHILD,
        "a session that comes is as it is reported"
    );
}
