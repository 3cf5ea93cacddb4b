//! Every warning that the author of a policy file may see.

use super::*;

#[test]
fn entries_that_are_hardly_meant() {
    let entries = [
        "http://www.example.co",
        "https://www.example.co",
        "http://a.example:80",
        "http://a.example:8000",
        "https://a.example/path",
        "https://a.example:8443/path",
        "https://a.example/",
        "https://a.example:8443/",
        "http://a.example/",
        "http://a.example/path",
        "http://a.example:8000/",
        "http://192.0.2.1/",
        "http://[2001:db8::1]/",
        "http://[2001:db8::1]",
        "a.example",
    ];
    let rows: Vec<String> = entries
        .iter()
        .map(|entry| profile_with(&format!("lists: {{a: ['{entry}']}}"), "block_list: [a]"))
        .collect();
    check_named(
        entries.into_iter().zip(rows.iter().map(String::as_str)),
        expect![[r#"
            http://www.example.co
              p.yaml:1:13: warning: `http://www.example.co` ends inside a host name and matches longer ones too, such as `http://www.example.cox.example`; end it with a slash, or use the domain `www.example.co`
            https://www.example.co
              p.yaml:1:13: warning: `https://www.example.co` ends inside a host name and matches longer ones too, such as `https://www.example.cox.example`; end it with a slash, or use the domain `www.example.co`
            http://a.example:80
              p.yaml:1:13: warning: `http://a.example/` does not cover `https://a.example/` and `http://a.example:8080/`; list them too, or the domain `a.example` for every scheme and port
            http://a.example:8000
              p.yaml:1:13: warning: `http://a.example:8000` ends inside a port and matches longer ones too; end it with a slash
            https://a.example/path
              p.yaml:1:13: warning: `https://a.example/path` can never match, since only the host of TLS is known; use `https://a.example/`
            https://a.example:8443/path
              p.yaml:1:13: warning: `https://a.example:8443/path` can never match, since only the host of TLS is known; use `https://a.example:8443/`
            https://a.example/
            https://a.example:8443/
            http://a.example/
              p.yaml:1:13: warning: `http://a.example/` does not cover `https://a.example/` and `http://a.example:8080/`; list them too, or the domain `a.example` for every scheme and port
            http://a.example/path
              p.yaml:1:13: warning: `http://a.example/path` does not cover `https://a.example/` and `http://a.example:8080/path`; list them too, or the domain `a.example` for every scheme and port
            http://a.example:8000/
            http://192.0.2.1/
              p.yaml:1:13: warning: `http://192.0.2.1/` does not cover `https://192.0.2.1/` and `http://192.0.2.1:8080/`; list them too, or the domain `192.0.2.1` for every scheme and port
            http://[2001:db8::1]/
              p.yaml:1:13: warning: `http://[2001:db8::1]/` does not cover `https://[2001:db8::1]/` and `http://[2001:db8::1]:8080/`; list them too, or the domain `[2001:db8::1]` for every scheme and port
            http://[2001:db8::1]
              p.yaml:1:13: warning: `http://[2001:db8::1]` does not cover `https://[2001:db8::1]/`; list it too, or the domain `[2001:db8::1]` for every scheme and port
            a.example
        "#]],
    );
}

#[test]
fn entries_that_cover_each_other_are_fine() {
    let with = |kind: &str, entries: &str| {
        profile_with(&format!("lists: {{a: {entries}}}"), &format!("{kind}: [a]"))
    };
    let rows = [
        with("pass_list", "['http://a.example/', 'https://a.example/']"),
        with("block_list", "['http://a.example/', a.example]"),
        with("block_list", "['http://a.example/x', example]"),
        with(
            "block_list",
            "['http://a.example/', 'https://a.example/', 'http://a.example:8080/']",
        ),
    ];
    for row in &rows {
        assert_eq!(compiled(row).warnings, [], "{row}");
    }
}

#[test]
fn lists_that_repeat() {
    let lists = "lists: {a: [a.example, A.example], b: [a.example]}";
    let rows = [
        profile_with(lists, "pass_list: [a]"),
        profile_with(lists, "pass_list: [b, b]"),
        profile_with(lists, "pass_list: [b, a]"),
    ];
    let names = ["in one list", "one list twice", "in two lists"];
    check_named(
        names.into_iter().zip(rows.iter().map(String::as_str)),
        expect![[r#"
            in one list
              p.yaml:1:24: warning: `a.example` is already listed at p.yaml:1:13; once is enough
            one list twice
              p.yaml:8:20: warning: list `b` is already named at p.yaml:8:17; once is enough
            in two lists
              p.yaml:1:13: warning: `a.example` is already listed at p.yaml:1:40; once is enough
              p.yaml:1:24: warning: `a.example` is already listed at p.yaml:1:40; once is enough
        "#]],
    );
}

#[test]
fn many_warnings_of_one_list_are_counted() {
    let entries: Vec<String> = (0..15)
        .map(|n| format!("'http://{n}.a.example/'"))
        .collect();
    let lists = format!("lists: {{a: [{}]}}", entries.join(", "));
    let warnings = compiled(&profile_with(&lists, "block_list: [a]")).warnings;
    assert_eq!(warnings.len(), 11);
    let last = warnings.last().unwrap().to_string();
    expect!["p.yaml:8:18: warning: 5 more entries of list `a` have such warnings"].assert_eq(&last);
}

#[test]
fn destinations_that_could_loop() {
    let redirect = "redirect_list: [{to: 'https://notice.example/?%U', lists: []}]";
    let lists = "lists: {n: [notice.example]}\nbypass: [192.0.2.0/24, '2001:db8::/32']";
    let q = "block_response: reset\n  q: {default_action: {redirect: 'https://q.example/'}, \
             unknown_action: pass, error_action: pass, undecidable_action: pass}";
    let policies = "policies: {f: {redirect: [{to: 'https://f.example/', categories: [a]}]}}";
    let with_list = |kind: &str| profile_with(lists, &format!("{kind}: [n]\n    {redirect}"));
    let to = |host: &str| redirect.replace("notice.example", host);
    let rows = [
        ("not covered", profile_with("", redirect)),
        ("passed", with_list("pass_list")),
        ("blocked", with_list("block_list")),
        ("bypassed", profile_with(lists, &to("192.0.2.7"))),
        ("bypassed IPv6", profile_with(lists, &to("[2001:db8::7]"))),
        ("an action", profile_with("", q)),
        ("a policy", profile_with(policies, "policy: f")),
    ];
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            not covered
              p.yaml:8:26: warning: no pass list or bypass of profile `p` covers `https://notice.example/?%U`: it is judged again and could loop
            passed
            blocked
              p.yaml:10:26: warning: no pass list or bypass of profile `p` covers `https://notice.example/?%U`: it is judged again and could loop
            bypassed
            bypassed IPv6
            an action
              p.yaml:9:34: warning: no pass list or bypass of profile `q` covers `https://q.example/`: it is judged again and could loop
            a policy
              p.yaml:1:32: warning: no pass list or bypass of profile `p` covers `https://f.example/`: it is judged again and could loop
        "#]],
    );
}

#[test]
fn subscribers_in_clear_text() {
    let with = |to: &str| {
        let keys = format!("pass_list: [n]\n    redirect_list: [{{to: '{to}', lists: []}}]");
        profile_with("lists: {n: [n.example]}", &keys)
    };
    let rows = [
        "http://n.example/?%M%S%U%M",
        "http://n.example/?%U",
        "https://n.example/?%M%S",
    ];
    let texts = rows.map(with);
    check_named(
        rows.into_iter().zip(texts.iter().map(String::as_str)),
        expect![[r#"
            http://n.example/?%M%S%U%M
              p.yaml:9:26: warning: `%M` is sent unencrypted to an `http:` destination; use `https:`
              p.yaml:9:26: warning: `%S` is sent unencrypted to an `http:` destination; use `https:`
            http://n.example/?%U
            https://n.example/?%M%S
        "#]],
    );
}
