//! Every error that the author of a policy file may see.

use super::*;

#[test]
fn shapes_of_the_file_and_its_profiles() {
    let rows = [
        "",
        "profiles:",
        "profiles: {}",
        "profiles: [p]",
        "profils: {p: {}}",
        "profiles: {p: }",
        "profiles: {p: block}",
        "profiles: {p: {acton: block}}",
        "profiles: {p: {}, p: {}}",
        "profiles: {p: {pass_list: school}}",
        "profiles: {p: {pass_list: {school: 1}}}",
        "profiles: {p: {id: [7]}}",
        "profiles: {p: {default_action: {redirekt: 'https://a.example/'}}}",
        "profiles: {p: {default_action: {redirect: 'https://a.example/', to: b}}}",
        "profiles: {p: {default_action: {}}}",
    ];
    check(
        &rows,
        expect![[r#"

              p.yaml:1:1: error: the key `profiles` is missing
            profiles:
              p.yaml:1:9: error: no profile; a policy file needs one
            profiles: {}
              p.yaml:1:11: error: no profile; a policy file needs one
            profiles: [p]
              p.yaml:1:11: error: `[p]` stands here; use keys with values (`key: value`)
            profils: {p: {}}
              p.yaml:1:1: error: `profils` is not a key here; did you mean `profiles`?
            profiles: {p: }
              p.yaml:1:12: error: profile `p` has no `default_action`; use pass, block or {redirect: "http://…"}
              p.yaml:1:12: error: profile `p` has no `unknown_action`; use pass, block or {redirect: "http://…"}
              p.yaml:1:12: error: profile `p` has no `error_action`; use pass, block or {redirect: "http://…"}
              p.yaml:1:12: error: profile `p` has no `undecidable_action`; use pass, block or {redirect: "http://…"}
            profiles: {p: block}
              p.yaml:1:15: error: `block}` stands here; use keys with values (`key: value`)
            profiles: {p: {acton: block}}
              p.yaml:1:16: error: `acton` is not a key here; use `id`, `icap`, `enforce`, `instead`, `policy`, `pass_list`, `block_list`, `redirect_list`, `default_action`, `unknown_action`, `error_action`, `error_actions`, `undecidable_action`, `block_response` or `sni_check`
            profiles: {p: {}, p: {}}
              p.yaml:1:19: error: the key `p` is here twice; keep one
            profiles: {p: {pass_list: school}}
              p.yaml:1:27: error: `school}}` stands here; use a list (`[a, b]`, or lines that start with `-`)
            profiles: {p: {pass_list: {school: 1}}}
              p.yaml:1:27: error: `{school: 1}}}` stands here; use a list (`[a, b]`, or lines that start with `-`)
            profiles: {p: {id: [7]}}
              p.yaml:1:20: error: `[7]}}` stands here; use a single value
            profiles: {p: {default_action: {redirekt: \'https://a.example/\'}}}
              p.yaml:1:33: error: `redirekt` is not a key here; did you mean `redirect`?
            profiles: {p: {default_action: {redirect: \'https://a.example/\', to: b}}}
              p.yaml:1:65: error: `to` is not a key here; use `redirect`
            profiles: {p: {default_action: {}}}
              p.yaml:1:32: error: the key `redirect` is missing
        "#]],
    );
}

#[test]
fn shapes_of_lists_and_policies() {
    let rows = [
        "profiles: {p: {redirect_list: {to: a}}}",
        "profiles: {p: {redirect_list: [{to: a}]}}",
        "profiles: {p: {redirect_list: [a]}}",
        "policies: {a: {allow: [news]}}\nprofiles: {}",
        "policies: {a: {redirect: [{categories: [b]}]}}\nprofiles: {}",
        "lists: {a: {path: x.txt}}\nprofiles: {}",
        "lists: {a: [[x]]}\nprofiles: {}",
        "lists: {a: [null]}\nprofiles: {}",
        "bypass: 192.0.2.1\nprofiles: {}",
        "profiles: {p: {",
        "profiles:\n  p: a: b",
        "profiles: {}\n---\nprofiles: {}",
    ];
    check(
        &rows,
        expect![[r#"
        profiles: {p: {redirect_list: {to: a}}}
          p.yaml:1:31: error: `{to: a}}}` stands here; use a list (`[a, b]`, or lines that start with `-`)
        profiles: {p: {redirect_list: [{to: a}]}}
          p.yaml:1:33: error: the key `lists` is missing
        profiles: {p: {redirect_list: [a]}}
          p.yaml:1:32: error: `a]}}` stands here; use keys with values (`key: value`)
        policies: {a: {allow: [news]}}\nprofiles: {}
          p.yaml:1:16: error: `allow` is not a key here; use `pass`, `block` or `redirect`
        policies: {a: {redirect: [{categories: [b]}]}}\nprofiles: {}
          p.yaml:1:28: error: the key `to` is missing
        lists: {a: {path: x.txt}}\nprofiles: {}
          p.yaml:1:13: error: `path` is not a key here; use `file`
        lists: {a: [[x]]}\nprofiles: {}
          p.yaml:1:13: error: `[x]]}` stands here; use a single value
        lists: {a: [null]}\nprofiles: {}
          p.yaml:1:13: error: the value is missing
        bypass: 192.0.2.1\nprofiles: {}
          p.yaml:1:9: error: `192.0.2.1` stands here; use a list (`[a, b]`, or lines that start with `-`)
        profiles: {p: {
          p.yaml:1:15: error: unclosed bracket '{'
        profiles:\n  p: a: b
          p.yaml:2:6: error: `a: b` stands here; use keys with values (`key: value`)
        profiles: {}\n---\nprofiles: {}
          p.yaml:3:1: error: only single YAML document expected but multiple found
    "#]],
    );
}

#[test]
fn values_of_profiles() {
    let keys = [
        "id: x",
        "id: -1",
        "id: 4294967295",
        "id: 0x10",
        "icap: yes",
        "policy: family",
        "pass_list: [school]",
        "block_response: drop",
        "sni_check: warn",
        "sni_check: false",
        "error_actions: {timeout: drop}",
        "error_actions: {late: pass}",
        "error_actions: pass",
        "default_action: blok\n  q:",
        "redirect_list: [{to: 'notice', lists: []}]",
        "redirect_list: [{to: 'https://n.example/?a=%X', lists: []}]",
        "redirect_list: [{to: 'https://n.example/%U', lists: []}]",
    ];
    let rows: Vec<String> = keys.iter().map(|keys| profile_with("", keys)).collect();
    let tails: Vec<&str> = keys.to_vec();
    check_named(
        tails.into_iter().zip(rows.iter().map(String::as_str)),
        expect![[r#"
            id: x
              p.yaml:8:9: error: `x` is not a profile id; use 0 to 4294967294
            id: -1
              p.yaml:8:9: error: `-1` is not a profile id; use 0 to 4294967294
            id: 4294967295
              p.yaml:8:9: error: `4294967295` is not a profile id; use 0 to 4294967294
            id: 0x10
              p.yaml:8:9: error: `0x10` is not a profile id; use 0 to 4294967294
            icap: yes
              p.yaml:8:11: error: `yes` is not known here; use `true` or `false`
            policy: family
              p.yaml:8:13: error: no policy is called `family`; the file has none
            pass_list: [school]
              p.yaml:8:17: error: no list is called `school`; the file has none
            block_response: drop
              p.yaml:8:21: error: `drop` is not known here; use `discard`, `reset` or `forbidden`
            sni_check: warn
              p.yaml:8:16: error: `warn` is not known here; use `off`, `log` or `require`
            sni_check: false
              p.yaml:8:16: error: `false` is not known here; use `off`, `log` or `require`
            error_actions: {timeout: drop}
              p.yaml:8:30: error: `drop` is not an action; use pass, block or {redirect: "http://…"}
            error_actions: {late: pass}
              p.yaml:8:21: error: `late` is not a key here; use `connect`, `timeout`, `protocol`, `status`, `overload` or `breaker_open`
            error_actions: pass
              p.yaml:8:20: error: `pass` stands here; use keys with values (`key: value`)
            default_action: blok\n  q:
              p.yaml:8:5: error: the key `default_action` is here twice; keep one
            redirect_list: [{to: \'notice\', lists: []}]
              p.yaml:8:26: error: `notice`: scheme `` is not http or https; an absolute URI begins with `http://` or `https://`
            redirect_list: [{to: \'https://n.example/?a=%X\', lists: []}]
              p.yaml:8:26: error: `https://n.example/?a=%X`: `%X` is not a formatting code; use %M (MSISDN), %S (IMSI), %U (request URI), or %25 for a percent sign
            redirect_list: [{to: \'https://n.example/%U\', lists: []}]
              p.yaml:8:26: error: `https://n.example/%U`: `%U` is outside the query; formatting codes stand after the `?`
        "#]],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = "lists:
  school: [school.example, 'https://', a b.example, '*.example']
  kids: {file: kids.txt}
  odd: school.example
  number: 7
policies:
  family:
    pass: [news, Adult]
    block: [adult, '', 'a,b', ' c']
    redirect:
      - {to: notice.example, categories: [news]}
profiles:
  child:
    id: 7
    policy: famly
    pass_list: [scool, unrelated]
    default_action: blok
    unknown_action: true
    error_action: [block]
    undecidable_action: 7
  teen:
    id: 7
    unknown_action: 'yes'
default_profile: chld
bypass: [192.0.2.1/24, example.com, 192.0.2.0/33]
";
    check(
        &[text],
        expect![[r#"
            lists:\n  school: [school.example, \'https://\', a b.example, \'*.example\']\n  kids: {file: kids.txt}\n  odd: school.example\n  number: 7\npolicies:\n  family:\n    pass: [news, Adult]\n    block: [adult, \'\', \'a,b\', \' c\']\n    redirect:\n      - {to: notice.example, categories: [news]}\nprofiles:\n  child:\n    id: 7\n    policy: famly\n    pass_list: [scool, unrelated]\n    default_action: blok\n    unknown_action: true\n    error_action: [block]\n    undecidable_action: 7\n  teen:\n    id: 7\n    unknown_action: \'yes\'\ndefault_profile: chld\nbypass: [192.0.2.1/24, example.com, 192.0.2.0/33]\n
              p.yaml:2:28: error: `https://` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: the host is empty
              p.yaml:2:40: error: `a b.example` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: `a b.example` is not a host name or an IP address
              p.yaml:2:53: error: `*.example` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: a domain covers its subdomains; write it without `*`
              p.yaml:3:16: error: list file `kids.txt`: no such file
              p.yaml:4:8: error: `odd` is text; use a list of entries or `{file: lists/name.txt}`
              p.yaml:5:11: error: `number` is a number; use a list of entries or `{file: lists/name.txt}`
              p.yaml:9:13: error: category `adult` is in this policy twice, first at p.yaml:8:18; keep one
              p.yaml:9:20: error: `` is not a category; use a name without commas and without spaces at its ends
              p.yaml:9:24: error: `a,b` is not a category; use a name without commas and without spaces at its ends
              p.yaml:9:31: error: ` c` is not a category; use a name without commas and without spaces at its ends
              p.yaml:11:14: error: `notice.example`: scheme `` is not http or https; an absolute URI begins with `http://` or `https://`
              p.yaml:11:43: error: category `news` is in this policy twice, first at p.yaml:8:12; keep one
              p.yaml:15:13: error: no policy is called `famly`; did you mean `family`?
              p.yaml:16:17: error: no list is called `scool`; did you mean `school`?
              p.yaml:16:24: error: no list is called `unrelated`; the file has `kids`, `number`, `odd`, `school`
              p.yaml:17:21: error: `blok` is not an action; use pass, block or {redirect: "http://…"}
              p.yaml:18:21: error: true or false is not an action; use pass, block or {redirect: "http://…"}
              p.yaml:19:19: error: a list is not an action; use pass, block or {redirect: "http://…"}
              p.yaml:20:25: error: a number is not an action; use pass, block or {redirect: "http://…"}
              p.yaml:21:3: error: profile `teen` has no `default_action`; use pass, block or {redirect: "http://…"}
              p.yaml:21:3: error: profile `teen` has no `error_action`; use pass, block or {redirect: "http://…"}
              p.yaml:21:3: error: profile `teen` has no `undecidable_action`; use pass, block or {redirect: "http://…"}
              p.yaml:22:9: error: id 7 is taken by the profile at p.yaml:14:9; use another
              p.yaml:23:21: error: `yes` is not an action; use pass, block or {redirect: "http://…"}
              p.yaml:24:18: error: no profile is called `chld`; did you mean `child`?
              p.yaml:25:10: error: `192.0.2.1/24` has bits set behind its length; use `192.0.2.0/24`
              p.yaml:25:24: error: `example.com` is not a range of addresses; use the form `192.0.2.0/24` or `2001:db8::/32`
              p.yaml:25:37: error: `192.0.2.0/33` is not a range of addresses; use the form `192.0.2.0/24` or `2001:db8::/32`
        "#]],
    );
}

#[test]
fn one_entry_with_two_actions() {
    let lists = "lists:
  a: [a.example, b.example]
  b: [A.example.]
  c: [c.example, C.example]
policies: {}";
    let rows = [
        profile_with(lists, "pass_list: [a]\n    block_list: [b]"),
        profile_with(lists, "pass_list: [a]\n    block_list: [a]"),
        profile_with(
            lists,
            "redirect_list: [{to: 'https://x.example/', lists: [a]}, {to: 'https://y.example/', lists: [b]}]",
        ),
    ];
    let names = ["a and b", "a twice", "two destinations"];
    check_named(
        names.into_iter().zip(rows.iter().map(String::as_str)),
        expect![[r#"
            a and b
              p.yaml:3:7: error: `a.example` has two actions in profile `p`: `block_list` by this list, `b`, and `pass_list` by list `a` at p.yaml:2:7; keep one
            a twice
              p.yaml:13:18: error: list `a` has two actions: `block_list` here and `pass_list` at p.yaml:12:17; keep one
            two destinations
              p.yaml:3:7: error: `a.example` has two actions in profile `p`: `redirect_list` to `https://y.example/` by this list, `b`, and `redirect_list` to `https://x.example/` by list `a` at p.yaml:2:7; keep one
        "#]],
    );
}

#[test]
fn list_files_have_their_own_places() {
    let files = |path: &str| match path {
        "lists/a.txt" => Ok("# a\na.example\n  b.example/c # d\n".to_owned()),
        "lists/b.txt" => Ok("a.example\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let lists = "lists: {a: {file: lists/a.txt}, b: {file: lists/b.txt}, c: {file: lists/c.txt}}";
    let text = profile_with(lists, "pass_list: [a]\n    block_list: [b]");
    let errors = compile("policies/p.yaml", &text, &files).unwrap_err();
    let errors: Vec<String> = errors.iter().map(|error| format!("{error}\n")).collect();
    expect![[r#"
        policies/p.yaml:1:67: error: list file `lists/c.txt`: no such file
        policies/lists/a.txt:3:3: error: `b.example/c` is no list entry; use a URI prefix such as `http://host.example/path` or a domain such as `host.example`: a domain has no path; for a path write the scheme too
        policies/lists/b.txt:1:1: error: `a.example` has two actions in profile `p`: `block_list` by this list, `b`, and `pass_list` by list `a` at policies/lists/a.txt:2:1; keep one
    "#]].assert_eq(&errors.concat());
}

#[test]
fn errors_are_counted_beyond_a_limit() {
    let entries: Vec<String> = (0..150).map(|n| format!("'a b{n}'")).collect();
    let text = profile_with(&format!("lists: {{a: [{}]}}", entries.join(", ")), "");
    let errors = compile("p.yaml", &text, &no_files).unwrap_err();
    assert_eq!(errors.len(), written::REMARKS_MAX + 1);
    let last = errors.last().unwrap().to_string();
    assert_eq!(last, "p.yaml: error: 50 more errors are not shown");
}

fn check(rows: &[&str], expected: Expect) {
    check_named(rows.iter().map(|row| (*row, *row)), expected);
}
