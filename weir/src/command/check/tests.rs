use std::path::PathBuf;

use expect_test::{Expect, expect};
use policy::Warning;

use super::*;

const POLICY: &str = "
policies: {f: {pass: [News], block: [gamblng, cooking]}}
profiles:
  a: &a {icap: true, policy: f, default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
  b: *a
  c: *a
  d: *a
  e: {id: 5, default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: a
";

const CONFIG: &str = "
policy: policy.yaml
icap_server: {listen: ['127.0.0.1:1344'], categories: lists}
sessions:
  static: [{clients: [192.0.2.1], profile: b}]
  users: {anna: {profile: c}}
";

const TESTS: &str = "
policy: policy.yaml
cases:
  - {name: known to the policy, uri: 'http://x.example/', categories: [cooking], expect: {action: block}}
  - {name: known to nobody, uri: 'http://x.example/', categories: [newz], expect: {action: pass}}
  - {name: failed, uri: 'http://x.example/', icap: error, expect: {action: pass}}
";

#[test]
fn profiles_and_categories_are_compared_with_what_there_is() {
    check("policy.yaml", &[], expect![[""]]);
    check(
        "policy.yaml",
        &["--categories", "lists"],
        expect![[r#"
        policy.yaml:2:38: warning: unknown category `gamblng`; did you mean `gambling`? [unknown_category]
        policy.yaml:2:47: warning: unknown category `cooking`; the categorizer has `gambling`, `news` [unknown_category]
    "#]],
    );
    check(
        "weir.yaml",
        &[],
        expect![[r#"
            policy.yaml:7:3: warning: nothing selects the profile `d`: it has no `id`, is not the `default_profile`, and neither `sessions` nor an `instead` names it [unselected_profile]
            policy.yaml:2:38: warning: unknown category `gamblng`; did you mean `gambling`? [unknown_category]
            policy.yaml:2:47: warning: unknown category `cooking`; the categorizer has `gambling`, `news` [unknown_category]
        "#]],
    );
    check(
        "p.test.yaml",
        &["--categories", "lists"],
        expect![[r#"
        p.test.yaml:5:5: warning: unknown category `newz`; did you mean `news`? [unknown_category]
    "#]],
    );
}

#[test]
fn overrides_have_categories_of_their_own() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("overrides.txt", "stew.example cooking\n");
    let lists = "categories: lists";
    write(
        "weir.yaml",
        &CONFIG.replace(lists, &format!("{lists}, overrides: overrides.txt")),
    );
    let (_, remarks) = examine(&folder.path().join("weir.yaml"), None);
    let unknown = remarks
        .iter()
        .filter(|it| it.text.contains("unknown category"));
    let texts: Vec<&str> = unknown.map(|it| it.text.as_str()).collect();
    assert_eq!(
        texts,
        ["unknown category `gamblng`; did you mean `gambling`?"]
    );
}

#[test]
fn warnings_can_be_denied_and_allowed() {
    let folder = folder();
    for (options, expected) in [
        (&[][..], exit::SUCCESS),
        (&["--deny-warnings"], exit::CONFIGURATION),
        (
            &["--deny-warnings", "--allow", "unknown_category"],
            exit::CONFIGURATION,
        ),
        (
            &[
                "--deny-warnings",
                "--allow",
                "unknown_category,unselected_profile",
            ],
            exit::SUCCESS,
        ),
    ] {
        let (status, page) = output(folder.path(), "weir.yaml", options);
        assert_eq!(status, expected, "{options:?} {page}");
    }
    let allowed = format!("allow_warnings: [unknown_category, unselected_profile]{POLICY}");
    std::fs::write(folder.path().join("policy.yaml"), allowed).unwrap();
    let (_, page) = output(folder.path(), "weir.yaml", &["--deny-warnings"]);
    assert_eq!(page, "weir.yaml: configuration, good\n");
}

#[test]
fn every_kind_of_remark_shows_its_line() {
    let remark = |text: &str| {
        let error = policy::compile("p.yaml", text, &|_| Err("no such file".to_owned()));
        let remarks = error.map_or_else(|errors| errors, |compiled| compiled.warnings);
        let pages = remarks
            .iter()
            .map(|remark| excerpt::page(remark, text, excerpt::Paint::Plain));
        pages.collect::<String>()
    };
    let profile =
        "default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass";
    let rows = [
        format!("profiles:\n  p: {{polcy: f, {profile}}}\n"),
        format!("policies:\n  family: {{}}\nprofiles:\n  p: {{policy: famly, {profile}}}\n"),
        format!(
            "lists:\n  a: [a.example,\n      'http://b.example/x', \"c d\"]\nprofiles:\n  p: {{{profile}}}\n"
        ),
        format!(
            "lists:\n  a:\n    - http://www.example.co # open\nprofiles:\n  p: {{block_list: [a], {profile}}}\n"
        ),
        "profiles:\n  p: [".to_owned(),
        "profiles:\n  p:\n    default_action: {redirect: 'https://n.example/%U'}\n    unknown_action: blok\n"
            .to_owned(),
    ];
    let page: String = rows.iter().map(|row| remark(row) + "\n").collect();
    expect![[r#"
        p.yaml:2:7: error: `polcy` is not a key here; did you mean `policy`?
         2 |   p: {polcy: f, default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
           |       ^^^^^

        p.yaml:4:15: error: no policy is called `famly`; did you mean `family`?
         4 |   p: {policy: famly, default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
           |               ^^^^^

        p.yaml:3:29: error: `c d` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: `c d` is not a host name or an IP address
         3 |       'http://b.example/x', "c d"]
           |                             ^^^^^

        p.yaml:3:7: warning: `http://www.example.co` ends inside a host name and matches longer ones too, such as `http://www.example.cox.example`; end it with a slash, or use the domain `www.example.co` [prefix_in_host]
         3 |     - http://www.example.co # open
           |       ^^^^^^^^^^^^^^^^^^^^^

        p.yaml:2:6: error: `[` stands here; use keys with values (`key: value`)
         2 |   p: [
           |      ^

        p.yaml:2:3: error: profile `p` has no `error_action`; use pass, block or {redirect: "http://…"}
         2 |   p:
           |   ^
        p.yaml:2:3: error: profile `p` has no `undecidable_action`; use pass, block or {redirect: "http://…"}
         2 |   p:
           |   ^
        p.yaml:3:32: error: `https://n.example/%U`: `%U` is outside the query; formatting codes stand after the `?`
         3 |     default_action: {redirect: 'https://n.example/%U'}
           |                                ^^^^^^^^^^^^^^^^^^^^^^
        p.yaml:4:21: error: `blok` is not an action; use pass, block or {redirect: "http://…"}
         4 |     unknown_action: blok
           |                     ^^^^

    "#]].assert_eq(&page);
}

#[test]
fn schemas_are_printed() {
    for (kind, title) in [
        (Schema::Policy, "weir policy file"),
        (Schema::Test, "weir policy tests"),
        (Schema::Config, "weir configuration"),
    ] {
        let json: serde_json::Value = serde_json::from_str(text_of(kind)).unwrap();
        assert_eq!(json["title"], title);
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("policy.yaml", POLICY),
        ("weir.yaml", CONFIG),
        ("p.test.yaml", TESTS),
        ("lists/news/domains", "news.example\n"),
        ("lists/gambling/domains", "casino.example\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Checks the file of this name and shows the remarks about it.
#[track_caller]
fn check(name: &str, options: &[&str], expected: Expect) {
    let folder = folder();
    let known = options
        .contains(&"--categories")
        .then(|| Known::read(&folder.path().join("lists")).unwrap());
    let (_, remarks) = examine(&folder.path().join(name), known.as_ref());
    let prefix = format!("{}/", folder.path().display());
    let page: String = remarks.iter().map(|it| format!("{it}\n")).collect();
    expected.assert_eq(&page.replace(&prefix, ""));
}

/// Returns the status and what is printed to standard output.
fn output(folder: &Path, name: &str, options: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let mut allow = Vec::new();
    if let Some(names) = options.iter().skip_while(|it| **it != "--allow").nth(1) {
        allow.extend(names.split(',').map(|name| Warning::of_name(name).unwrap()));
    }
    let options = Check {
        files: vec![PathBuf::from(folder).join(name)],
        allow,
        deny_warnings: options.contains(&"--deny-warnings"),
        categories: None,
        schema: None,
    };
    let status = run(&options, &mut out).unwrap();
    let prefix = format!("{}/", folder.display());
    (status, String::from_utf8(out).unwrap().replace(&prefix, ""))
}

#[test]
fn a_file_of_no_kind_is_told_what_each_kind_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.yaml");
    std::fs::write(&path, "a: 1\n").unwrap();
    let (_, remarks) = examine(&path, None);
    let texts: Vec<&str> = remarks.iter().map(|it| it.text.as_str()).collect();
    let told = "none of its keys is known; a configuration has `proxy` or `icap_server`, a policy \
                file `profiles`, a test file `cases`";
    assert_eq!(texts, [told]);
}
