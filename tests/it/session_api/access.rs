//! Who may ask, and what is told of it.

use tests::program::Program;

use super::*;

#[test]
fn who_has_no_token_is_told_nothing_and_changes_nothing() {
    let mut world = World::start();
    let missing = "the token is missing; send `Authorization: Bearer TOKEN`, with a token that \
                   `sessions.admin` names";
    let unknown = "the token is not known; send one that `sessions.admin` names";
    let forbidden = "the token is for reading; use one of `sessions.admin.token_file`";
    let put = Asked::new("PUT", "/sessions/127.0.0.2").json("{\"profile\": \"child\"}");
    let none = put.clone().without_token();
    let answer = none.send(world.admin);
    check_problem(&answer, 401, missing);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"sessions\"")
    );
    let wrong = none
        .clone()
        .field("Authorization: Bearer changing-changing-changing-changinh");
    let answer = wrong.send(world.admin);
    check_problem(&answer, 401, unknown);
    let challenge = "Bearer realm=\"sessions\", error=\"invalid_token\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let reading = none.field(&format!("Authorization: Bearer {READING}"));
    check_problem(
        &reading
            .field("Content-Type: application/json")
            .send(world.admin),
        403,
        forbidden,
    );
    let other = put.field("Origin: http://evil.example").send(world.admin);
    assert_eq!(other.status, 403);
    let list = Asked::new("GET", "/sessions").without_token();
    let list = list
        .field(&format!("Authorization: bearer {READING}"))
        .send(world.admin);
    assert_eq!(body(&list), json!({"sessions": []}), "nothing changed");
    assert_eq!(world.browse(), "passed");
    for (outcome, count) in [("unauthorized", 2), ("forbidden", 2), ("read", 1)] {
        assert_eq!(world.outcome(outcome), count, "{outcome}");
    }
}

#[test]
fn tokens_and_profiles_are_those_of_the_last_reload() {
    let world = World::start();
    let next = "next-next-next-next-next-next-next-next";
    let with = |token: &str| {
        let asked = Asked::new("PUT", "/sessions/127.0.0.2").without_token();
        let asked = asked.field(&format!("Authorization: Bearer {token}"));
        asked.json("{\"profile\": \"child\"}").send(world.admin)
    };
    let tokens = world.files.path().join("tokens");
    std::fs::write(&tokens, format!("{CHANGING}\n{next}\n")).unwrap();
    world.gateway.reload(POLICY);
    assert_eq!(
        (with(CHANGING).status, with(next).status),
        (201, 200),
        "both while they change"
    );
    std::fs::write(&tokens, next).unwrap();
    world.gateway.reload(&POLICY.replace("child:", "kid:"));
    assert_eq!(with(CHANGING).status, 401);
    check_problem(
        &with(next),
        400,
        "no profile is called `child`; use `kid` or `teen`",
    );
    assert_eq!(world.browse(), "passed", "a profile that was removed");
    // A file that is no use changes nothing.
    std::fs::write(&tokens, "short").unwrap();
    world.gateway.program.signal("HUP");
    world
        .gateway
        .program
        .wait_for_line(&["its line 1 is no token"]);
    world.gateway.program.wait_for_line(&["reload refused"]);
    assert_eq!(with(next).status, 400);
    std::fs::write(&tokens, next).unwrap();
    let config = std::fs::read_to_string(world.gateway.program.dir.path().join("weir.yaml"));
    let (config, _) = config.as_deref().unwrap().split_once("sessions:").unwrap();
    world.gateway.program.write("weir.yaml", config);
    world.gateway.reload(POLICY);
    world
        .gateway
        .program
        .wait_for_line(&["needs a restart", "sessions.live"]);
    assert_eq!(with(next).status, 401, "nobody is let in");
}

#[test]
fn without_tokens_there_is_no_api() {
    let origin = Origin::start("web");
    let mut gateway = Setup::new(POLICY)
        .host("web.test", origin.address)
        .line("sessions: {live: {sessions_max: 10}}")
        .start();
    let admin = gateway.program.address("proxy_admin", 0);
    for (method, target) in [("GET", "/sessions"), ("PUT", "/sessions/10.0.0.1")] {
        let answer = Asked::new(method, target).json("{}").send(admin);
        let expected = "use /metrics, /ready, /live or /explain\n";
        assert_eq!((answer.status, answer.text().as_str()), (404, expected));
    }
}

#[test]
fn an_icap_server_alone_has_it_too() {
    let config = "
icap_server: {admin: '127.0.0.1:0', listen: ['127.0.0.1:0'], categories: lists}
sessions: {admin: {token_file: tokens}}
";
    let files = [
        ("weir.yaml", config),
        ("tokens", CHANGING),
        ("lists/news/domains", "news.example\n"),
    ];
    let mut program = Program::start(&["icap-server", "--config", "weir.yaml"], &files);
    let admin = program.address("icap_server_admin", 0);
    let put = Asked::new("PUT", "/sessions/10.0.0.1").json("{\"profile\": \"any\"}");
    assert_eq!(
        body(&put.send(admin))["profile"],
        "any",
        "there is no policy to look into"
    );
    assert_eq!(
        Asked::new("GET", "/sessions/10.0.0.1").send(admin).status,
        200
    );
    assert_eq!(program.stop(), 0);
}

#[test]
fn subscribers_and_tokens_are_not_logged() {
    let world = World::start();
    let subscriber =
        json!({"profile": "child", "msisdn": "111220000001", "imsi": "10020000000007"});
    assert_eq!(world.put(SUBSCRIBER, &subscriber).status, 201);
    assert_eq!(
        world
            .put("10.0.0.7", &json!({"msisdn": "+111220000001"}))
            .status,
        400
    );
    assert_eq!(world.ask("GET", "/sessions?client=127.0.0.2").status, 200);
    let unknown = Asked::new("GET", "/sessions").without_token();
    let unknown = unknown.field("Authorization: Bearer wrong-wrong-wrong-wrong-wrong-wrong");
    assert_eq!(unknown.send(world.admin).status, 401);
    assert_eq!(world.ask("DELETE", "/sessions/127.0.0.2").status, 204);
    world
        .gateway
        .program
        .wait_for_line(&["\"outcome\":\"closed\""]);
    for line in world.gateway.program.lines() {
        for secret in [
            CHANGING,
            READING,
            "wrong-wrong",
            "111220000001",
            "10020000000007",
        ] {
            assert!(!line.contains(secret), "{line}");
        }
        let is_debug = line.contains("\"level\":\"DEBUG\"") || line.contains("\"level\":\"TRACE\"");
        assert!(is_debug || !line.contains("127.0.0.2"), "{line}");
    }
}
