//! The JSON Schemas say what the program says of a file.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::Validator;
use serde_json::Value;
use tests::program::run;

use crate::architecture::root;
use crate::docs::{blocks, pages};

/// A key that no file has, and that is like none.
const NO_KEY: &str = "zzzzzzzzzzzz";

/// The schemas, and a part of a file that tells which kind it is.
const SCHEMAS: [(&str, &str); 3] = [
    ("policy", "profiles: {}"),
    ("test", "cases: []"),
    ("config", "proxy: {}"),
];

#[test]
fn every_key_of_a_file_is_in_its_schema() {
    let mut seen = 0;
    for (kind, rest) in SCHEMAS {
        let schema = schema(kind);
        let mut walk = Walk {
            schema: &schema,
            objects: Vec::new(),
        };
        walk.visit(&schema, "*");
        for (file, keys) in walk.objects {
            let object = format!("{{{NO_KEY}: 1}}");
            let text = match file == "*" {
                true => format!("{{{NO_KEY}: 1, {rest}}}"),
                false => file.replace('*', &object),
            };
            assert_eq!(keys_of_program(&text), keys, "{kind}: {text}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} mappings");
}

#[test]
fn every_example_and_policy_is_valid() {
    let mut texts = Vec::new();
    for (name, page) in pages() {
        let blocks = blocks(&page).into_iter();
        texts.extend(blocks.map(|(line, text)| (format!("{name}:{line}"), text)));
    }
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let kind = kind_of(&text);
            let line = format!("# yaml-language-server: $schema=../docs/schema/{kind}.json\n");
            assert!(text.starts_with(&line), "{} lacks {line}", path.display());
            texts.push((path.display().to_string(), text));
        }
    }
    assert!(texts.len() > 15, "{} files", texts.len());
    for (name, text) in texts {
        let validator = validator(kind_of(&text));
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_not_valid() {
    const P: &str =
        "default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass";
    let policy = |text: &str| ("policy", text.replace("PROFILE", P));
    let case = |keys: &str| {
        (
            "test",
            format!("{{policy: p.yaml, cases: [{{name: a, {keys}}}]}}"),
        )
    };
    let good = [
        policy("profiles: {p: {PROFILE}}"),
        policy("profiles: {p: {PROFILE, id: '7'}}\nlists: {a: [], b: {file: b.txt}}"),
        case("uri: 'http://a.example/', expect: {action: pass}"),
        case("sni: a, after: [{uri: b, prefix: 7}], expect: {action: block, enforcement: reset}"),
        (
            "config",
            "policy: p.yaml\nproxy: {listen: [{mode: explicit, address: '127.0.0.1:0'}]}"
                .to_owned(),
        ),
    ];
    let wrong = [
        policy("profiles: {}"),
        policy("lists: {}"),
        policy("profiles: {p: {PROFILE, acton: pass}}"),
        policy("profiles: {p: {default_action: pass}}"),
        policy("profiles: {p: {PROFILE, id: 4294967295}}"),
        policy("profiles: {p: {PROFILE, icap: 7}}"),
        policy("profiles: {p: {PROFILE, pass_list: a}}"),
        policy("profiles: {p: {PROFILE, block_response: drop}}"),
        policy("profiles: {p: {PROFILE, redirect_list: [{to: 'ftp://a.example/', lists: []}]}}"),
        policy("profiles: {p: {PROFILE, error_actions: {late: pass}}}"),
        policy("profiles: {p: {PROFILE}}\nallow_warnings: [all]"),
        policy("profiles: {p: {PROFILE}}\nlists: {a: {path: b}}"),
        case("expect: {action: pass}"),
        case("uri: a, sni: b, expect: {action: pass}"),
        case("uri: a"),
        case("uri: a, expect: {action: drop}"),
        case("uri: a, icap: down, expect: {action: pass}"),
        case("uri: a, icap: error, categories: [b], expect: {action: pass}"),
        case("uri: a, resolves_to: [192.0.2.1], expect: {action: pass}"),
        case("uri: a, after: [], expect: {action: pass}"),
        case("uri: a, subscriber: {msisdn: '+49'}, expect: {action: pass}"),
        case("uri: a, expect: {action: pass, source: magic}"),
        ("test", "{policy: p.yaml}".to_owned()),
        ("test", "{cases: []}".to_owned()),
        ("config", "policy: p.yaml".to_owned()),
        ("config", "proxy: {}".to_owned()),
        (
            "config",
            "proxy: {listen: [{mode: magic, address: '127.0.0.1:0'}]}".to_owned(),
        ),
        (
            "config",
            "icap_server: {listen: ['127.0.0.1:0'], categories: c, worker: 1}".to_owned(),
        ),
    ];
    let valid = |kind: &str, text: &str| {
        let value: Value = serde_yaml::from_str(text).unwrap();
        validator(kind).is_valid(&value)
    };
    for (kind, text) in &good {
        assert!(valid(kind, text), "{kind}: {text}");
    }
    for (kind, text) in &wrong {
        assert!(!valid(kind, text), "{kind}: {text}");
    }
}

#[test]
fn the_program_prints_what_is_published() {
    for (kind, _) in SCHEMAS {
        let output = run(&root(), &["check", "--schema", kind]);
        let published = fs::read(root().join(format!("docs/schema/{kind}.json"))).unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(0), published));
    }
}

/// Collects the mappings of a schema, each as a file with `*` in its place, and its keys.
struct Walk<'a> {
    schema: &'a Value,
    objects: Vec<(String, BTreeSet<String>)>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a Value, file: &str) {
        if let Some(reference) = node["$ref"].as_str() {
            let node = self
                .schema
                .pointer(reference.trim_start_matches('#'))
                .unwrap();
            return self.visit(node, file);
        }
        if let Some(properties) = node["properties"].as_object() {
            assert_eq!(node["additionalProperties"], false, "{file}");
            let keys = properties.keys().cloned().collect();
            self.objects.push((file.to_owned(), keys));
            for (key, child) in properties {
                self.visit(child, &file.replace('*', &format!("{{{key}: *}}")));
            }
        }
        if node["additionalProperties"].is_object() {
            let file = file.replace('*', "{x: *}");
            self.visit(&node["additionalProperties"], &file);
        }
        if node["items"].is_object() {
            self.visit(&node["items"], &file.replace('*', "[*]"));
        }
        for choice in node["oneOf"].as_array().into_iter().flatten() {
            self.visit(choice, file);
        }
    }
}

/// Returns the keys that the program says could stand in the place of [`NO_KEY`].
fn keys_of_program(text: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.yaml"), text).unwrap();
    let output = run(folder.path(), &["check", "f.yaml"]);
    let page = String::from_utf8(output.stderr).unwrap();
    let said = format!("`{NO_KEY}` is not a key here; use ");
    let line = page.lines().find_map(|line| line.split_once(&said));
    let (_, keys) = line.unwrap_or_else(|| panic!("{text}\n{page}"));
    keys.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn kind_of(text: &str) -> &'static str {
    match policy::FileKind::of(text).unwrap() {
        policy::FileKind::Policy => "policy",
        policy::FileKind::Test => "test",
        policy::FileKind::Config => "config",
    }
}

fn schema(kind: &str) -> Value {
    let text = fs::read_to_string(root().join(format!("docs/schema/{kind}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn validator(kind: &str) -> Validator {
    let schema = schema(kind);
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}
