use std::io::Write as _;

use categories::{Builder, ListKind};
use expect_test::expect;

use super::lookup::{LINE_LEN_MAX, lookup_all, lookup_lines};
use super::*;

#[test]
fn a_line_for_each_uri() {
    let uris = [
        "http://www.news.example/a",
        "https://other.example/",
        "http://a b/",
    ];
    let uris: Vec<String> = uris.map(str::to_owned).into();
    let mut out = Vec::new();
    assert_eq!(
        lookup_all(&database(), Form::Text, &uris, &mut out).unwrap(),
        exit::FAILURE
    );
    expect![[r#"
        http://www.news.example/a	news	24
        https://other.example/		22
        http://a b/		0
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn standard_input_may_have_anything_in_it() {
    let long = "x".repeat(usize::try_from(LINE_LEN_MAX).unwrap() * 2);
    let input = format!("http://news.example/\r\n\n{long}\nhttp://news.example/");
    assert_eq!(lines(&input), ["news\t20", "\t0", "\t0", "news\t20"]);
}

#[test]
fn a_line_over_the_limit_is_no_uri_and_not_the_start_of_one() {
    let line = |len: usize| format!("http://news.example/{}", "x".repeat(len - 20));
    let limit = usize::try_from(LINE_LEN_MAX).unwrap();
    let (fits, over) = (line(limit - 1), line(limit));
    let input = format!("{fits}\n{over}\n{over}x\n{fits}");
    assert_eq!(lines(&input), ["news\t20", "\t0", "\t0", "news\t20"]);
    assert_eq!(lines(&over), ["news\t20"]);
}

#[test]
fn an_answer_does_not_wait_for_the_next_line() {
    let (reader, mut writer) = io::pipe().unwrap();
    let (mut answers, out) = io::pipe().unwrap();
    let worker = std::thread::spawn(move || {
        let mut out = out;
        lookup_lines(
            &database(),
            Form::Text,
            &mut io::BufReader::new(reader),
            &mut out,
        )
        .unwrap()
    });
    for _ in 0..3 {
        writer.write_all(b"http://news.example/\n").unwrap();
        let expected = b"http://news.example/\tnews\t20\n";
        let mut answer = vec![0; expected.len()];
        io::Read::read_exact(&mut answers, &mut answer).unwrap();
        assert_eq!(answer, expected);
    }
    drop(writer);
    assert_eq!(worker.join().unwrap(), exit::SUCCESS);
}

#[test]
fn counts() {
    let mut out = Vec::new();
    stats(&database(), Form::Text, &mut out).unwrap();
    expect![[r#"
        category	domains	urls	expressions
        news	1	0	0
        total	1	0	0
        bytes	704
        tag	e706854c01d506d53a82a7c9905f9a5b
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

/// Returns what is told about each line, without the line.
fn lines(input: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut input = io::BufReader::new(input.as_bytes());
    let status = lookup_lines(&database(), Form::Text, &mut input, &mut out).unwrap();
    assert_eq!(status, exit::SUCCESS);
    let out = String::from_utf8(out).unwrap();
    out.lines()
        .map(|line| line.split_once('\t').unwrap().1.to_owned())
        .collect()
}

fn database() -> Database {
    let mut builder = Builder::new();
    let text = b"news.example\n";
    builder
        .add_file("news", ListKind::Domains, "news/domains", text)
        .unwrap();
    builder.build().unwrap()
}
