//! Names that were probably meant.

/// Letters that may differ.
const DISTANCE_MAX: usize = 2;

/// Longer words are not compared, since the cost grows with the square of the length.
const WORD_LEN_MAX: usize = 64;

/// Names listed in one error.
const NAMES_SHOWN_MAX: usize = 10;

/// Returns the candidate that differs from `word` by the fewest letters, if they are few.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = DISTANCE_MAX.min(word.chars().count() / 2);
    candidates
        .into_iter()
        .filter(|candidate| word.len().max(candidate.len()) <= WORD_LEN_MAX)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Says that nothing of `kind` is called `name`, and what exists.
pub(crate) fn unknown<'a>(
    kind: &str,
    name: &str,
    existing: impl IntoIterator<Item = &'a str>,
) -> String {
    let existing: Vec<&str> = existing.into_iter().collect();
    if let Some(near) = nearest(name, existing.iter().copied()) {
        return format!("no {kind} is called `{name}`; did you mean `{near}`?");
    }
    if existing.is_empty() {
        return format!("no {kind} is called `{name}`; the file has none");
    }
    let mut names: Vec<String> = existing
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    if existing.len() > NAMES_SHOWN_MAX {
        names.push(format!("{} more", existing.len() - NAMES_SHOWN_MAX));
    }
    format!(
        "no {kind} is called `{name}`; the file has {}",
        names.join(", ")
    )
}

/// Counts the letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("school", "scool", 1),
            ("blok", "block", 1),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("scool", ["school", "family"]), Some("school"));
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("news", ["family"]), None);
        assert_eq!(nearest("pas", ["pass", "past"]), Some("pass"));
    }
}
