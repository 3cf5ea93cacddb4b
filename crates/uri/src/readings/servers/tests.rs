use proptest::prelude::*;

use super::*;
use crate::split::split;
use crate::{Readings, Scheme};

#[test]
fn what_is_read_for_all_servers_together_has_a_limit() {
    let readers = readers(Marks {
        parameters: true,
        ..Marks::default()
    });
    let longest = READ_LEN_MAX / readers.len();
    let reads = |path_len: usize, query_len: usize| {
        let path = format!(
            "/;/x/y/{}?{}",
            "a".repeat(path_len - 7),
            "b".repeat(query_len)
        );
        let readings = Readings::of_request(Scheme::Http, b"a.example", path.as_bytes(), None);
        readings.unwrap().are_all()
    };
    assert!(reads(longest, 0));
    assert!(reads(10, longest - 10));
    assert!(!reads(longest + 1, 0));
    assert!(!reads(10, longest - 9));
    // Where all servers agree the URI has no limit but its own.
    let plain = "/a".repeat(READ_LEN_MAX);
    let alike = Readings::of_request(Scheme::Http, b"a.example", plain.as_bytes(), None);
    assert!(alike.unwrap().are_all());
}

#[test]
fn a_short_path_counts_for_more_than_its_length() {
    let normal = NormalUri::parse(b"http://a.example/").unwrap();
    let read_len = |target: &str| {
        let mut others = Others {
            normal: &normal,
            uris: Vec::new(),
            read_len: 0,
        };
        others
            .read(Target::without_fragment(target.as_bytes()))
            .unwrap();
        others.read_len
    };
    let parameters = |len: usize| format!("/;{}", "a".repeat(len - 2));
    assert_eq!(read_len(&parameters(2)), 3 * READ_LEN_MIN);
    assert_eq!(read_len(&parameters(READ_LEN_MIN)), 3 * READ_LEN_MIN);
    assert_eq!(
        read_len(&parameters(READ_LEN_MIN + 1)),
        3 * (READ_LEN_MIN + 1)
    );
}

/// Marks of a path that mixes everything.
const ALL: Marks = Marks {
    nested_escapes: true,
    encoded_slash: true,
    written_backslash: true,
    encoded_backslash: true,
    question_mark: true,
    number_sign: true,
    parameters: true,
    nul: true,
    run_before_dots: true,
    old_escapes: true,
    written_dots: true,
    encoded_dots: true,
    ends_in_dot: false,
};

/// Returns the text without its query, of which a server may have read a part as path before.
fn path_of(uri: &NormalUri) -> &str {
    uri.as_str().split('?').next().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_kind_of_server_reads_one_of_the_readings(
        path in "[a/.;%2fF5cC03?\\\\e]{0,30}",
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 20),
    ) {
        let text = format!("http://a.example/{path}");
        let readings = Readings::parse(text.as_bytes()).unwrap();
        if !readings.are_all() {
            return Ok(());
        }
        let target = split(text.as_bytes()).unwrap().target.to_vec();
        let target = Target::without_fragment(&target);
        let all = readers(ALL);
        for pick in picks {
            let reader = *pick.get(&all);
            let (uri, seen) = Base::under(readings.normal()).into_uri(target, reader);
            let ends = reader.parameters == Parameters::EndPath || reader.number_sign == Role::Separator;
            let is_folder = ends && !seen.has_dots();
            prop_assert!(
                is_folder || readings.iter().any(|reading| path_of(reading) == path_of(&uri)),
                "{uri} for {reader:?}"
            );
        }
    }
}
