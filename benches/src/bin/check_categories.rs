//! Holds look-ups in published lists to a slow model, and looks below every listed name.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it talks to the person at the terminal, and a panic is how a check fails"
)]

use std::path::Path;

use benches::lists::{Lists, Random};
use benches::model::{Model, questions};
use uri::{NormalUri, Readings};

/// Questions that every rule is compared with, one after the other.
const SCANNED: usize = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder of lists");
    let count = arguments
        .next()
        .map_or(1_000_000, |count| count.parse().unwrap());
    let lists = Lists::read(Path::new(&folder));
    let database = lists.database();
    let model = Model::of(&lists);
    println!("{} rules", model.len());
    let mut random = Random(5);
    let step = count / SCANNED.min(count);
    let (mut found, mut scanned) = (0, 0);
    for (number, text) in questions(&lists, &mut random).take(count).enumerate() {
        let Ok(readings) = Readings::parse(text.as_bytes()) else {
            continue;
        };
        let listed: Vec<&str> = database.lookup(&readings).categories().collect();
        let expected = model.categories(&readings, &database);
        assert!(
            listed.iter().eq(&expected),
            "{text}: {listed:?}, not {expected:?}"
        );
        found += usize::from(!listed.is_empty());
        if number % step == 0 {
            assert_eq!(model.scanned(&readings, &database), expected, "{text}");
            scanned += 1;
        }
    }
    println!(
        "{count} questions agree with the model, {found} with a category; {scanned} of them with every rule one by one"
    );
    let mut below = 0;
    for (category, name) in lists.lines() {
        for text in [format!("http://{name}/"), format!("http://zz.{name}/")] {
            let Ok(uri) = NormalUri::parse(text.as_bytes()) else {
                continue;
            };
            let listed = database.lookup_uri(&uri);
            assert!(
                listed.categories().any(|it| it == category),
                "{text} lacks {category}"
            );
            below += 1;
        }
    }
    println!("{below} listed names and names below them have their categories");
}
