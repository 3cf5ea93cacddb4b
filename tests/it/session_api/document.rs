//! docs/openapi.yaml says what the program does, and the program does what it says.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::architecture::root;

/// Methods of HTTP.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS", "TRACE",
];

/// What a store in this process does not answer: the tests of the API itself have a store that is away.
const NOT_HERE: &str = "503";

fn document() -> Value {
    let text = fs::read_to_string(root().join("docs/openapi.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

#[test]
fn it_is_a_document_of_openapi() {
    let schema = fs::read_to_string(root().join("fixtures/openapi/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = document();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    let mut wrong = document.clone();
    wrong["paths"]["/sessions"]["get"]["responses"]["200"] = json!({"content": {}});
    assert!(
        !validator.is_valid(&wrong),
        "the schema is one that refuses"
    );
    for schema in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .values()
    {
        jsonschema::meta::validate(schema).unwrap();
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(node: &Value, references: &mut Vec<String>) {
    if let Some(reference) = node["$ref"].as_str() {
        references.push(reference.to_owned());
    }
    let children = node.as_object().into_iter().flat_map(|it| it.values());
    for child in children.chain(node.as_array().into_iter().flatten()) {
        collect(child, references);
    }
}

#[test]
fn every_answer_of_it_is_given_as_it_says() {
    let world = World::start_with("live: {sessions_max: 3}");
    let mut walk = Walk {
        document: document(),
        admin: world.admin,
        seen: BTreeSet::new(),
    };
    let wrong = Asked::new("", "")
        .without_token()
        .field("Authorization: Bearer x");
    let elsewhere = Asked::new("", "").field("Origin: null");
    for method in ["GET", "HEAD"] {
        let path = "/sessions";
        walk.see(path, &wrong.at(method, path), 401);
        walk.see(path, &elsewhere.at(method, path), 403);
        walk.see(path, &Asked::new(method, "/sessions?count=none"), 400);
        walk.see(path, &Asked::new(method, path), 200);
    }
    for (path, good, bad) in [
        (
            "/sessions/{range}",
            "/sessions/10.0.0.0%2F24",
            "/sessions/10.0.0.1%2F24",
        ),
        (
            "/sessions/{address}/{length}",
            "/sessions/2001:db8:7::/64",
            "/sessions/10.0.0.0/99",
        ),
    ] {
        walk.see_a_session(path, good, &world);
        for method in ["GET", "HEAD", "DELETE"] {
            walk.see(path, &Asked::new(method, good), 404);
        }
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            walk.see(path, &wrong.at(method, good), 401);
            walk.see(path, &elsewhere.at(method, good), 403);
            walk.see(path, &Asked::new(method, bad), 400);
        }
    }
    let documented = walk.documented();
    let missing: Vec<_> = documented.difference(&walk.seen).collect();
    let elsewhere = missing.iter().all(|answer| answer.ends_with(NOT_HERE));
    assert!(elsewhere && missing.len() == 10, "{missing:#?}");
}

#[test]
fn there_is_no_method_that_it_lacks() {
    let world = World::start();
    let document = document();
    for (path, target) in [
        ("/sessions", "/sessions"),
        ("/sessions/{range}", "/sessions/10.0.0.1"),
        ("/sessions/{address}/{length}", "/sessions/10.0.0.0/24"),
    ] {
        let known = |method: &str| document["paths"][path].get(method.to_lowercase()).is_some();
        let known: Vec<&str> = METHODS.into_iter().filter(|method| known(method)).collect();
        for method in METHODS.into_iter().filter(|method| !known.contains(method)) {
            let answer = world.ask(method, target);
            assert_eq!(answer.status, 405, "{method} {target}");
            assert_eq!(answer.header("allow"), Some(known.join(", ").as_str()));
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 3);
    for target in ["/sessions/", "/sessions/a/b/c", "/sessions/10.0.0.0/24/x"] {
        assert_eq!(world.ask("GET", target).status, 400, "{target}");
    }
}

struct Walk {
    document: Value,
    admin: SocketAddr,
    seen: BTreeSet<String>,
}

impl Walk {
    /// Sees a session come, change and go.
    #[track_caller]
    fn see_a_session(&mut self, path: &str, target: &str, world: &World) {
        let put = |body: &str| Asked::new("PUT", target).json(body);
        let good = put("{\"profile\": \"child\", \"apn\": \"internet\"}");
        self.see(path, &good, 201);
        self.see(path, &good, 200);
        self.see(path, &good.clone().field("Content-Encoding: gzip"), 415);
        self.see(path, &put(&" ".repeat(5_000)), 413);
        self.see(path, &put("{\"profile\": \"none\"}"), 400);
        self.see(path, &put("{").field("X-Slow: yes"), 408);
        for method in ["GET", "HEAD"] {
            self.see(path, &Asked::new(method, target), 200);
            self.see("/sessions", &Asked::new(method, "/sessions?count=1"), 200);
        }
        self.see(path, &Asked::new("DELETE", target), 204);
        for n in 0..3 {
            assert_eq!(world.put(&format!("192.0.2.{n}"), &json!({})).status, 201);
        }
        self.see(path, &good, 409);
        for n in 0..3 {
            let status = world
                .ask("DELETE", &format!("/sessions/192.0.2.{n}"))
                .status;
            assert_eq!(status, 204);
        }
    }

    /// Asks, and holds the answer against the document.
    #[track_caller]
    fn see(&mut self, path: &str, asked: &Asked, status: u16) {
        let method = asked.method.as_str();
        let is_slow = asked.fields.iter().any(|field| field.starts_with("X-Slow"));
        let mut bytes = asked.bytes(self.admin);
        if is_slow {
            bytes = bytes.replace("Content-Length: 1", "Content-Length: 2");
        }
        let mut client = Client::connect(self.admin);
        client.send(bytes);
        let answer = client.response_to(method);
        let place = format!("{method} {path} {status}");
        assert_eq!(answer.status, status, "{place}: {}", answer.text());
        let key = status.to_string();
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let described = self.resolved(&operation["responses"][&key]);
        assert!(
            described["description"].is_string(),
            "{place} is not documented"
        );
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let value = answer
                .header(&name.to_lowercase())
                .unwrap_or_else(|| panic!("{place}: {name}"));
            let value = value
                .parse::<u64>()
                .map_or_else(|_| json!(value), |it| json!(it));
            self.check(&self.resolved(header)["schema"], &value, &place);
        }
        match described["content"].as_object() {
            None => assert_eq!(answer.body, b"", "{place}"),
            Some(content) => {
                let (kind, content) = content.iter().next().unwrap();
                assert_eq!(
                    answer.header("content-type"),
                    Some(kind.as_str()),
                    "{place}"
                );
                self.check(&content["schema"], &body(&answer), &place);
            }
        }
        self.seen.insert(place);
    }

    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        match node["$ref"].as_str() {
            Some(reference) => self
                .document
                .pointer(reference.trim_start_matches('#'))
                .unwrap(),
            None => node,
        }
    }

    #[track_caller]
    fn check(&self, schema: &Value, value: &Value, place: &str) {
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(value)
            .map(|it| it.to_string())
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{place}: {value}");
    }

    fn documented(&self) -> BTreeSet<String> {
        let mut documented = BTreeSet::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for method in METHODS {
                let responses = item[method.to_lowercase()]["responses"].as_object();
                let statuses = responses.into_iter().flatten().map(|(status, _)| status);
                documented.extend(statuses.map(|status| format!("{method} {path} {status}")));
            }
        }
        documented
    }
}
