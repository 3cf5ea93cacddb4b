//! `sessions.admin`: who may change sessions.

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn tokens_are_read_beside_the_file() {
    let proxy = "{policy: family.yaml, proxy: {admin: '127.0.0.1:0', listen: [{mode: explicit, \
                 address: '127.0.0.1:0'}], icap: {services: ['icap://127.0.0.1:1/c']}}, ";
    let with = |keys: &str| format!("{proxy}sessions: {{admin: {keys}}}}}");
    let files = [("t", TOKEN), ("short", "secret"), ("none", "# none\n")];
    let read = |text: &str| read_beside(text, &files);
    let live = read(&with("{token_file: t}")).unwrap().config.live.unwrap();
    assert_eq!(
        format!("{:?}", live.tokens),
        "Some(Tokens { change: 1, read: 0 })"
    );
    let mut told = String::new();
    for text in [
        with("{}"),
        with("{token: t}"),
        with("{token_file: missing}"),
        with("{token_file: short, read_token_file: none}"),
        with("{token_file: t}").replace("admin: '127.0.0.1:0', ", ""),
    ] {
        for remark in read(&text).unwrap_err() {
            told += &format!("{}\n", remark.text);
        }
    }
    assert!(!told.contains("secret"), "{told}");
    expect![[r#"
        nobody may ask; name a file of tokens with `token_file` or `read_token_file`
        `token` is not a key here; use `token_file` or `read_token_file`
        cannot use the tokens of `missing`: no such file or directory
        cannot use the tokens of `short`: its line 1 is no token; use 32 to 256 letters, digits and `-._~+/=`, such as `openssl rand -hex 32` prints
        cannot use the tokens of `none`: it has no token; put one into it, such as `openssl rand -hex 32` prints
        `sessions.admin` has no endpoint; add `proxy.admin` with its address
    "#]].assert_eq(&told);
}
