//! The ISTag of one endpoint: what makes cached answers stale.

use std::collections::VecDeque;
use std::time::Duration;

use icap::IsTag;
use tokio::time::Instant;

/// Tags remembered, to notice that an endpoint goes back to one.
const RECENT_MAX: usize = 8;

/// Returns to an earlier tag within [`ALTERNATION_WINDOW`] that make an endpoint alternating.
/// Two servers behind one address do this on every other answer; an operator who takes a change
/// back does it once.
const RETURNS_MAX: u32 = 4;

/// How long returns are counted, and how long a tag must stand to be trusted again.
const ALTERNATION_WINDOW: Duration = Duration::from_secs(60);

/// The tags of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Tags {
    current: Option<Current>,
    recent: VecDeque<IsTag>,
    returns: u32,
    counted_since: Option<Instant>,
    alternates: bool,
}

#[derive(Debug)]
struct Current {
    tag: IsTag,
    since: Instant,
}

/// What the tag of an answer means for caches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noted {
    /// Nothing: the first tag, the same tag, or none.
    Same,
    /// All answers so far are stale.
    Changed,
    /// All answers so far are stale, and none is to be kept from now on.
    AlternationFound,
    /// This answer is not to be kept.
    Unkept,
}

impl Tags {
    /// Notes the tag of an answer to a question that was sent at `asked`.
    pub(super) fn note(&mut self, tag: &IsTag, asked: Instant, now: Instant) -> Noted {
        let Some(current) = &self.current else {
            self.make_current(tag, now);
            return Noted::Same;
        };
        let since = current.since;
        if self.alternates && now.duration_since(since) >= ALTERNATION_WINDOW {
            self.alternates = false;
            self.returns = 0;
            self.recent.clear();
        }
        if current.tag == *tag {
            return if self.alternates {
                Noted::Unkept
            } else {
                Noted::Same
            };
        }
        let returned = self.recent.contains(tag);
        if returned && asked < since {
            // On its way while the tag changed: late, not a change back.
            return Noted::Unkept;
        }
        self.make_current(tag, now);
        if returned {
            self.count_return(now);
        }
        match (self.alternates, self.returns >= RETURNS_MAX) {
            (true, _) => Noted::Unkept,
            (false, false) => Noted::Changed,
            (false, true) => {
                self.alternates = true;
                Noted::AlternationFound
            }
        }
    }

    fn make_current(&mut self, tag: &IsTag, now: Instant) {
        let current = Current {
            tag: tag.clone(),
            since: now,
        };
        if let Some(before) = self.current.replace(current) {
            self.recent.retain(|recent| *recent != before.tag);
            self.recent.push_front(before.tag);
            self.recent.truncate(RECENT_MAX);
        }
        debug_assert!(self.recent.len() <= RECENT_MAX);
    }

    fn count_return(&mut self, now: Instant) {
        let in_window = |since: &Instant| now.duration_since(*since) < ALTERNATION_WINDOW;
        if self
            .counted_since
            .as_ref()
            .is_none_or(|since| !in_window(since))
        {
            self.counted_since = Some(now);
            self.returns = 0;
        }
        self.returns += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_is_no_change() {
        check("aaa", "===");
    }

    #[test]
    fn each_new_tag_is_a_change() {
        check("abbcd", "=+=++");
    }

    #[test]
    fn going_back_now_and_then_is_a_change() {
        check("ababa", "=++++");
    }

    #[test]
    fn an_endpoint_that_alternates_is_found_once() {
        check("abababab", "=++++!..");
        check("ababab.bb", "=++++!?..".replace('?', ".").as_str());
    }

    #[test]
    fn a_tag_that_stands_is_trusted_again() {
        check("ababab_bba", "=++++!_==+");
    }

    #[test]
    fn slow_returns_are_no_alternation() {
        check("ab_a_b_a_b_a_b_a", "=+_+_+_+_+_+_+_+");
    }

    #[test]
    fn a_late_answer_is_not_kept_and_flushes_nothing() {
        let mut tags = Tags::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(tags.note(&tag('a'), at(0), at(1)), Noted::Same);
        assert_eq!(tags.note(&tag('b'), at(2), at(5)), Noted::Changed);
        assert_eq!(tags.note(&tag('a'), at(4), at(6)), Noted::Unkept);
        assert_eq!(tags.note(&tag('b'), at(6), at(7)), Noted::Same);
        assert_eq!(tags.note(&tag('a'), at(8), at(9)), Noted::Changed);
    }

    /// Notes one tag a second; `_` waits, `.` is the tag before.
    #[track_caller]
    fn check(tags_seen: &str, expected: &str) {
        let mut tags = Tags::default();
        let mut now = Instant::now();
        let mut before = 'a';
        let mut found = String::new();
        for seen in tags_seen.chars() {
            now += Duration::from_secs(1);
            if seen == '_' {
                now += ALTERNATION_WINDOW;
                found.push('_');
                continue;
            }
            before = if seen == '.' { before } else { seen };
            found.push(match tags.note(&tag(before), now, now) {
                Noted::Same => '=',
                Noted::Changed => '+',
                Noted::AlternationFound => '!',
                Noted::Unkept => '.',
            });
        }
        assert_eq!(found, expected);
    }

    fn tag(name: char) -> IsTag {
        IsTag::new(&name.to_string()).unwrap()
    }
}
