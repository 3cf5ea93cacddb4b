use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let lists = Lists::new(&[("lists/news/domains", "news.example\n")]);
    lists.builds(expect!["built: 1 categories, 1 domains, 0 urls, 0 expressions, 704 bytes; 1 lists, 0 bad lines, 0 left out\n"]);
    let first = lists.read("built");
    lists.write("lists/news/domains", "other.example\nnews.example\n");
    lists.builds(expect!["built: 1 categories, 2 domains, 0 urls, 0 expressions, 704 bytes; 1 lists, 0 bad lines, 0 left out\n"]);
    assert_ne!(lists.read("built"), first);
    let nowhere = Build {
        output: lists.path("no/built"),
        ..lists.options()
    };
    assert!(matches!(
        run(&nowhere, &mut Vec::new()),
        Err(Failure::Write { .. })
    ));
    assert_eq!(lists.files(), ["built", "lists"]);
}

#[test]
fn a_category_that_shrinks_keeps_the_file_before() {
    let lists = Lists::new(&[
        ("lists/news/domains", &names(100)),
        ("lists/games/domains", "a.example\n"),
    ]);
    lists.builds_quietly(&lists.options());
    let before = lists.read("built");
    lists.write("lists/news/domains", &names(90));
    lists.builds_quietly(&lists.options());
    lists.write("lists/news/domains", &names(80));
    lists.refuses(
        &lists.options(),
        expect!["built: error: the category `news` has 80 rules and had 90; less than 90 % are left. Look at its lists; --force replaces the file all the same"],
    );
    assert_ne!(lists.read("built"), before);
    assert_eq!(lists.files(), ["built", "lists"]);
    let force = Build {
        force: true,
        ..lists.options()
    };
    lists.builds_quietly(&force);
    // A category that is gone has nothing left.
    lists.write("lists/news/domains", &names(80));
    fs::remove_dir_all(lists.path("lists/games")).unwrap();
    lists.refuses(
        &lists.options(),
        expect!["built: error: the category `games` has 0 rules and had 1; less than 90 % are left. Look at its lists; --force replaces the file all the same"],
    );
}

#[test]
fn a_list_of_another_format_is_refused() {
    let bad = names(98) + "no host\nbad host\n";
    let lists = Lists::new(&[
        ("lists/news/domains", &bad),
        ("lists/games/domains", &(names(99) + "no host\n")),
    ]);
    lists.refuses(
        &lists.options(),
        expect!["lists/news/domains: error: 2 of 100 lines are bad, more than 1 %; is it of another format? --allow-bad builds without them"],
    );
    assert_eq!(lists.files(), ["lists"]);
    let allowed = Build {
        allow_bad: true,
        ..lists.options()
    };
    lists.builds_quietly(&allowed);
}

#[test]
fn canaries_say_what_a_good_file_answers() {
    let sources = "sources: [{path: lists, format: squidguard}]\n\
                   aliases: {presse: news}\n\
                   canaries:\n- {uri: www.news.example/x, categories: [news, presse]}\n- {uri: gov.example}\n";
    let lists = Lists::new(&[
        ("lists/news/domains", "news.example\n"),
        ("sources.yaml", sources),
    ]);
    let options = Build {
        source: lists.path("sources.yaml"),
        ..lists.options()
    };
    lists.builds_quietly(&options);
    lists.write("lists/news/domains", "gov.example\n");
    let force = Build {
        force: true,
        ..options
    };
    lists.refuses(
        &force,
        expect![[r#"
            built: error: the canary `http://www.news.example/x` has no category and not `news`, `presse`; look at the lists, or correct the canary
            built: error: the canary `http://gov.example/` has `news`, `presse` and not no category; look at the lists, or correct the canary"#]],
    );
}

#[test]
fn a_file_of_before_that_cannot_be_read_does_not_stop_the_next() {
    let lists = Lists::new(&[
        ("lists/news/domains", "news.example\n"),
        ("built", "weircat\n of old"),
    ]);
    lists.builds_quietly(&lists.options());
    assert!(category_source(&lists.path("built")).is_ok());
}

#[test]
fn results_are_told_as_json_too() {
    let lists = Lists::new(&[
        ("lists/news/domains", "news.example\n"),
        ("lists/good/domains", "good.example\n"),
        ("lists/good/usage", "white\n"),
    ]);
    let options = Build {
        json: true,
        ..lists.options()
    };
    let mut out = Vec::new();
    run(&options, &mut out).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(told["lists"], 2);
    assert_eq!(told["domains"], 2);
    assert_eq!(told["white"], serde_json::json!(["good"]));
}

struct Lists(TempDir);

impl Lists {
    fn new(files: &[(&str, &str)]) -> Self {
        let lists = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            lists.write(name, text);
        }
        lists
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "sources.yaml").collect();
        names.sort();
        names
    }

    fn options(&self) -> Build {
        Build {
            source: self.path("lists"),
            output: self.path("built"),
            allow_bad: false,
            force: false,
            json: false,
        }
    }

    #[track_caller]
    fn builds(&self, expected: Expect) {
        let mut out = Vec::new();
        run(&self.options(), &mut out).unwrap();
        expected.assert_eq(&self.without_folder(&String::from_utf8(out).unwrap()));
    }

    #[track_caller]
    fn builds_quietly(&self, options: &Build) {
        assert_eq!(run(options, &mut Vec::new()).unwrap(), exit::SUCCESS);
    }

    #[track_caller]
    fn refuses(&self, options: &Build, expected: Expect) {
        let Err(Failure::Configuration(remarks)) = run(options, &mut Vec::new()) else {
            panic!("it was built");
        };
        let lines: Vec<_> = remarks.iter().map(ToString::to_string).collect();
        expected.assert_eq(&self.without_folder(&lines.join("\n")));
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn names(count: usize) -> String {
    (0..count).map(|n| format!("a{n}.example\n")).collect()
}
