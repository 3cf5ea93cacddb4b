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
              p.yaml:1:13: warning: `http://www.example.co` ends inside a host name and matches longer ones too, such as `http://www.example.cox.example`; end it with a slash, or use the domain `www.example.co` [prefix_in_host]
            https://www.example.co
              p.yaml:1:13: warning: `https://www.example.co` ends inside a host name and matches longer ones too, such as `https://www.example.cox.example`; end it with a slash, or use the domain `www.example.co` [prefix_in_host]
            http://a.example:80
              p.yaml:1:13: warning: `http://a.example/` does not cover `https://a.example/`; list it too, or the domain `a.example` for every scheme and port [http_without_https]
              p.yaml:1:13: warning: `http://a.example/` does not cover `http://a.example:8080/`; list it too, or the domain `a.example` for every scheme and port [http_without_port]
            http://a.example:8000
              p.yaml:1:13: warning: `http://a.example:8000` ends inside a port and matches longer ones too; end it with a slash [prefix_in_port]
            https://a.example/path
              p.yaml:1:13: warning: `https://a.example/path` can never match, since only the host of TLS is known; use `https://a.example/` [never_matches]
            https://a.example:8443/path
              p.yaml:1:13: warning: `https://a.example:8443/path` can never match, since only the host of TLS is known; use `https://a.example:8443/` [never_matches]
            https://a.example/
            https://a.example:8443/
            http://a.example/
              p.yaml:1:13: warning: `http://a.example/` does not cover `https://a.example/`; list it too, or the domain `a.example` for every scheme and port [http_without_https]
              p.yaml:1:13: warning: `http://a.example/` does not cover `http://a.example:8080/`; list it too, or the domain `a.example` for every scheme and port [http_without_port]
            http://a.example/path
              p.yaml:1:13: warning: `http://a.example/path` does not cover `https://a.example/`; list it too, or the domain `a.example` for every scheme and port [http_without_https]
              p.yaml:1:13: warning: `http://a.example/path` does not cover `http://a.example:8080/path`; list it too, or the domain `a.example` for every scheme and port [http_without_port]
            http://a.example:8000/
            http://192.0.2.1/
              p.yaml:1:13: warning: `http://192.0.2.1/` does not cover `https://192.0.2.1/`; list it too, or the domain `192.0.2.1` for every scheme and port [http_without_https]
              p.yaml:1:13: warning: `http://192.0.2.1/` does not cover `http://192.0.2.1:8080/`; list it too, or the domain `192.0.2.1` for every scheme and port [http_without_port]
            http://[2001:db8::1]/
              p.yaml:1:13: warning: `http://[2001:db8::1]/` does not cover `https://[2001:db8::1]/`; list it too, or the domain `[2001:db8::1]` for every scheme and port [http_without_https]
              p.yaml:1:13: warning: `http://[2001:db8::1]/` does not cover `http://[2001:db8::1]:8080/`; list it too, or the domain `[2001:db8::1]` for every scheme and port [http_without_port]
            http://[2001:db8::1]
              p.yaml:1:13: warning: `http://[2001:db8::1]` does not cover `https://[2001:db8::1]/`; list it too, or the domain `[2001:db8::1]` for every scheme and port [http_without_https]
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
        let warnings = compiled(row).warnings;
        let others = warnings
            .iter()
            .filter(|it| it.warning != Some(Warning::ShadowedEntry));
        assert_eq!(others.count(), 0, "{row}");
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
              p.yaml:1:24: warning: `a.example` is already listed at p.yaml:1:13; once is enough [listed_twice]
            one list twice
              p.yaml:8:20: warning: list `b` is already named at p.yaml:8:17; once is enough [listed_twice]
            in two lists
              p.yaml:1:13: warning: `a.example` is already listed at p.yaml:1:40; once is enough [listed_twice]
              p.yaml:1:24: warning: `a.example` is already listed at p.yaml:1:40; once is enough [listed_twice]
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
    expect!["p.yaml:8:18: warning: 20 more such warnings are about entries of list `a` [http_without_port]"].assert_eq(&last);
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
              p.yaml:8:26: warning: no pass list or bypass of profile `p` covers `https://notice.example/?%U`: it is judged again and could loop [redirect_not_passed]
            passed
            blocked
              p.yaml:10:26: warning: no pass list or bypass of profile `p` covers `https://notice.example/?%U`: it is judged again and could loop [redirect_not_passed]
            bypassed
            bypassed IPv6
            an action
              p.yaml:9:34: warning: no pass list or bypass of profile `q` covers `https://q.example/`: it is judged again and could loop [redirect_not_passed]
            a policy
              p.yaml:1:32: warning: no pass list or bypass of profile `p` covers `https://f.example/`: it is judged again and could loop [redirect_not_passed]
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
              p.yaml:9:26: warning: `%M` is sent unencrypted to an `http:` destination; use `https:` [subscriber_in_clear]
              p.yaml:9:26: warning: `%S` is sent unencrypted to an `http:` destination; use `https:` [subscriber_in_clear]
              p.yaml:9:26: warning: what stands behind `%U` is cut off where the URI of the request is long, at 899 characters; put `%U` last [redirect_too_long]
            http://n.example/?%U
            https://n.example/?%M%S
        "#]],
    );
}

#[test]
fn redirects_that_loop() {
    let lists = "lists: {n: [n.example]}";
    let with = |keys: &str| profile_with(lists, keys);
    let rows = [
        ("by a list", with("redirect_list: [{to: 'http://n.example/', lists: [n]}]")),
        ("by a list, on TLS", with("redirect_list: [{to: 'https://n.example/', lists: [n]}]")),
        (
            "by unknown_action",
            "profiles: {p: {default_action: pass, unknown_action: {redirect: 'http://n.example/'}, \
             error_action: pass, undecidable_action: pass}}"
                .to_owned(),
        ),
        (
            "by unknown_action, if the categorizer says nothing",
            "profiles: {p: {icap: true, default_action: pass, unknown_action: {redirect: \
             'http://n.example/'}, error_action: pass, undecidable_action: pass}}"
                .to_owned(),
        ),
    ];
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            by a list
              p.yaml:8:26: warning: profile `p` redirects `http://n.example/` itself, by `n.example`: its clients go round in circles; pass it by a list [redirect_loops]
            by a list, on TLS
              p.yaml:8:26: warning: no pass list or bypass of profile `p` covers `https://n.example/`: it is judged again and could loop [redirect_not_passed]
            by unknown_action
              p.yaml:1:65: warning: profile `p` redirects `http://n.example/` itself, by `unknown_action`: its clients go round in circles; pass it by a list [redirect_loops]
            by unknown_action, if the categorizer says nothing
              p.yaml:1:77: warning: no pass list or bypass of profile `p` covers `http://n.example/`: it is judged again and could loop [redirect_not_passed]
        "#]],
    );
}

#[test]
fn destinations_that_are_cut() {
    let with = |to: &str| {
        let keys = format!("pass_list: [n]\n    redirect_list: [{{to: '{to}', lists: []}}]");
        profile_with("lists: {n: [n.example]}", &keys)
    };
    let long = |len: usize| format!("https://n.example/{}?%M%U", "p".repeat(len));
    let rows = [
        ("just fits", with(&long(899 - 18 - 1 - 15 - 200))),
        ("too long", with(&long(899 - 18 - 1 - 15 - 200 + 1))),
        ("text behind", with("https://n.example/?a=%U&b=c")),
        ("a code behind", with("https://n.example/?%U%S")),
        ("a fragment behind", with("https://n.example/?%U#f")),
        ("nothing behind", with("https://n.example/?b=c&a=%U")),
    ];
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            just fits
            too long
              p.yaml:9:26: warning: this destination has 900 characters with 15 digits for `%M` and `%S` and 200 characters for `%U`; it is cut at 899 [redirect_too_long]
            text behind
              p.yaml:9:26: warning: what stands behind `%U` is cut off where the URI of the request is long, at 899 characters; put `%U` last [redirect_too_long]
            a code behind
              p.yaml:9:26: warning: what stands behind `%U` is cut off where the URI of the request is long, at 899 characters; put `%U` last [redirect_too_long]
            a fragment behind
              p.yaml:9:26: warning: what stands behind `%U` is cut off where the URI of the request is long, at 899 characters; put `%U` last [redirect_too_long]
            nothing behind
        "#]],
    );
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "pinned texts are as long as they are"
)]
fn entries_that_change_nothing() {
    let with = |lists: &str, keys: &str| profile_with(&format!("lists: {{{lists}}}"), keys);
    let two = "q: {pass_list: [a], default_action: pass, unknown_action: pass, \
               error_action: pass, undecidable_action: pass}";
    let both = "a: [x.a.example], b: [a.example]";
    let rows = [
        (
            "a subdomain",
            with("a: [a.example, x.a.example]", "pass_list: [a]"),
        ),
        (
            "of another action",
            with(both, "pass_list: [a]\n    block_list: [b]"),
        ),
        ("of another list", with(both, "pass_list: [a, b]")),
        (
            "needed by another profile",
            with(both, &format!("pass_list: [a, b]\n  {two}")),
        ),
        (
            "an action in between",
            with(
                "a: [a.example, y.x.a.example], b: [x.a.example]",
                "pass_list: [a]\n    block_list: [b]",
            ),
        ),
        (
            "a prefix",
            with(
                "a: ['http://a.example:81/', 'http://a.example:81/b']",
                "pass_list: [a]",
            ),
        ),
        (
            "a prefix under a domain",
            with("a: ['http://a.example:81/b', example]", "pass_list: [a]"),
        ),
        (
            "a prefix under one that ends in the host",
            with(
                "a: ['http://a.example:81/b', 'http://a.e']",
                "pass_list: [a]",
            ),
        ),
        (
            "an address",
            with("a: [192.0.2.1, '2.1']", "pass_list: [a]"),
        ),
    ];
    let others = ["[prefix_in_host]"];
    check_all(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        &others,
        expect![[r#"
            a subdomain
              p.yaml:1:24: warning: `x.a.example` changes nothing, as `a.example` covers it with the same action [shadowed_entry]
            of another action
            of another list
              p.yaml:1:13: warning: `x.a.example` changes nothing, as `a.example` covers it with the same action [shadowed_entry]
            needed by another profile
            an action in between
            a prefix
              p.yaml:1:37: warning: `http://a.example:81/b` changes nothing, as `http://a.example:81/` covers it with the same action [shadowed_entry]
            a prefix under a domain
              p.yaml:1:13: warning: `http://a.example:81/b` changes nothing, as `example` covers it with the same action [shadowed_entry]
            a prefix under one that ends in the host
              p.yaml:1:13: warning: `http://a.example:81/b` changes nothing, as `http://a.e` covers it with the same action [shadowed_entry]
            an address
        "#]],
    );
    let entries: Vec<String> = (0..15).map(|n| format!("x{n}.a.example")).collect();
    let text = with(
        &format!("a: [a.example, {}]", entries.join(", ")),
        "block_list: [a]",
    );
    let warnings = compiled(&text).warnings;
    assert_eq!(warnings.len(), 11);
    assert!(
        warnings
            .iter()
            .any(|it| it.text == "5 more entries of list `a` change nothing")
    );
}

#[test]
fn what_nobody_names() {
    let text = profile_with(
        "lists: {a: [], b: []}\npolicies: {f: {}, g: {}}",
        "policy: f\n    pass_list: [b]",
    );
    check_all(
        [("a and g", text.as_str())].into_iter(),
        &[],
        expect![[r#"
        a and g
          p.yaml:1:9: warning: no profile names the list `a` [unused_list]
          p.yaml:2:19: warning: no profile names the policy `g` [unused_policy]
    "#]],
    );
}

#[test]
fn warnings_are_silenced_by_name() {
    let text = profile_with(
        "lists: {a: ['http://a.example/', b.example, b.example], u: []}",
        "block_list: [a]",
    );
    let names = |allowed: &str| {
        let compiled = compiled(&format!("allow_warnings: [{allowed}]\n{text}"));
        let names: Vec<&str> = compiled
            .warnings
            .iter()
            .map(|it| it.warning.unwrap().as_str())
            .collect();
        names.join(" ")
    };
    assert_eq!(
        names(""),
        "http_without_https http_without_port listed_twice unused_list"
    );
    assert_eq!(
        names("http_without_port, unused_list"),
        "http_without_https listed_twice"
    );
    assert_eq!(
        names("http_without_https, http_without_port, unused_list, listed_twice"),
        ""
    );
    let rows = [
        ("a slip", profile_with("allow_warnings: [unused_lists]", "")),
        ("all", profile_with("allow_warnings: [everything]", "")),
    ];
    check_named(
        rows.iter().map(|(name, text)| (*name, text.as_str())),
        expect![[r#"
            a slip
              p.yaml:1:18: error: no warning is called `unused_lists`; did you mean `unused_list`?
            all
              p.yaml:1:18: error: no warning is called `everything`; use `prefix_in_host`, `prefix_in_port`, `never_matches`, `http_without_https`, `http_without_port`, `listed_twice`, `shadowed_entry`, `unused_list`, `unused_policy`, `unselected_profile`, `nothing_to_select_by`, `redirect_loops`, `redirect_not_passed`, `redirect_too_long`, `subscriber_in_clear`, `unknown_category` or `bad_category_line`
        "#]],
    );
}
