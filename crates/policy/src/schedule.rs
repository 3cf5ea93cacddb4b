//! When a part of a policy holds: days and times of a time zone.

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use crate::written::quote;

#[cfg(test)]
mod tests;

/// What [`moment`] accepts, for errors.
const MOMENT: &str =
    "use the form `2026-11-20T21:30:00+01:00` or `2026-11-20T21:30[Europe/Madrid]`";

/// Schedules of one policy file, equal ones counted once.
pub const SCHEDULES_MAX: usize = 64;

/// Days and times of one schedule.
pub const WINDOWS_MAX: usize = 32;

/// Days before today whose windows may still be open: yesterday's, and one more where a time zone
/// sets its clocks back over midnight.
const DAYS_BEFORE: usize = 2;

/// How long before a moment every change of a window is known: less than a whole day, which may
/// have 23 hours.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(12);

/// How far ahead every change of a window is known.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Days from today on whose windows are looked at: a week has every window once.
const DAYS_AFTER: usize = 8;

/// Times at which something holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    windows: Vec<Window>,
}

/// From one time of the day to another, on some days.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// The days on which it starts.
    pub days: Days,
    /// When it starts.
    pub from: Time,
    /// When it ends, later on that day or on the next.
    pub to: To,
    /// Whose clocks are meant.
    pub zone: TimeZone,
}

/// The end of a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// A time on the day on which it starts.
    SameDay(Time),
    /// A time on the day after, midnight included.
    NextDay(Time),
}

/// Days of the week.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Days(u8);

/// When a part of a policy holds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum When {
    /// At the times of a schedule.
    During(ScheduleId),
    /// All the time.
    #[default]
    Always,
}

/// Index of a schedule in its [`Timetable`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ScheduleId(u8);

/// The schedules of a policy that are active at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Active(u64);

/// All schedules of a policy.
#[derive(Clone, Debug, Default)]
pub struct Timetable {
    schedules: Vec<Schedule>,
    /// What the file calls each of them.
    names: Vec<Vec<Arc<str>>>,
}

/// A schedule at one moment, for a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outlook {
    /// Whether it is active.
    pub active: bool,
    /// When that changes. None: not within a week.
    pub until: Option<Timestamp>,
    /// Whose clocks it goes by.
    pub zone: TimeZone,
}

/// What is active, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The active schedules.
    pub active: Active,
    /// Since when, as far as is known.
    pub since: Timestamp,
    /// The moment at which this must be asked again.
    pub until: Timestamp,
}

/// Reads a moment as people write it: date and time with an offset from UTC, or with a time zone.
///
/// # Errors
///
/// Fails with what is accepted.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    let read = match text.contains('[') {
        true => PARSER
            .parse_zoned_with(&TimeZoneDatabase::bundled(), text)
            .map(|zoned| zoned.timestamp()),
        false => PARSER.parse_timestamp(text),
    };
    read.map_err(|_| format!("`{}` is no moment; {MOMENT}", quote(text)))
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// No day.
    pub const NONE: Self = Self(0);

    /// Adds the days from `first` to `last`, over the end of the week if `last` is before `first`.
    #[must_use]
    pub fn with(self, first: Weekday, last: Weekday) -> Self {
        let mut days = self;
        for day in first.cycle_forward().take(7) {
            days.0 |= Self::bit(day);
            if day == last {
                break;
            }
        }
        days
    }

    /// Returns whether it has `day`.
    #[must_use]
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & Self::bit(day) != 0
    }

    fn bit(day: Weekday) -> u8 {
        1 << day.to_monday_zero_offset()
    }
}

impl Schedule {
    /// Creates a schedule that is active whenever one of the windows is open.
    #[must_use]
    pub fn new(windows: Vec<Window>) -> Self {
        Self { windows }
    }

    /// Returns whether it is active at `now`, the last change up to then and the first after it,
    /// within a week.
    fn at(&self, now: Timestamp) -> (bool, Option<Timestamp>, Option<Timestamp>) {
        let mut active = false;
        let (mut since, mut until) = (None, None);
        for (start, end) in self.windows.iter().flat_map(|window| window.around(now)) {
            active |= start <= now && now < end;
            for change in [start, end] {
                if change <= now {
                    since = since.max(Some(change));
                } else {
                    until = Some(until.map_or(change, |until: Timestamp| until.min(change)));
                }
            }
        }
        (active, since, until)
    }

    /// Returns whether it is active at `now`, and when that changes: windows that meet are one.
    fn outlook(&self, now: Timestamp) -> Outlook {
        let around = self.windows.iter().flat_map(|window| window.around(now));
        let mut open: Vec<_> = around.filter(|(_, end)| now < *end).collect();
        open.sort_unstable();
        let active = open.first().is_some_and(|(start, _)| *start <= now);
        let until = match active {
            false => open.first().map(|(start, _)| *start),
            true => Some(
                open.iter()
                    .fold(now, |until, (start, end)| match *start <= until {
                        true => until.max(*end),
                        false => until,
                    }),
            ),
        };
        let zone = self.windows.first().map(|window| window.zone.clone());
        let known = now.checked_add(WEEK).unwrap_or(Timestamp::MAX);
        Outlook {
            active,
            until: until.filter(|until| *until < known),
            zone: zone.unwrap_or(TimeZone::UTC),
        }
    }
}

impl Window {
    /// Returns the times from and to which the window is open around `now`.
    fn around(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.zone.to_datetime(now).date();
        let before = std::iter::successors(today.yesterday().ok(), |day| day.yesterday().ok());
        let after = std::iter::successors(Some(today), |day| day.tomorrow().ok());
        before
            .take(DAYS_BEFORE)
            .chain(after.take(DAYS_AFTER))
            .filter(|day| self.days.contains(day.weekday()))
            .filter_map(|day| self.on(day))
    }

    /// Returns the moments at which the window of this day opens and closes: none where the clock
    /// skips all of it.
    fn on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let end = match self.to {
            To::SameDay(time) => day.to_datetime(time),
            To::NextDay(time) => day.tomorrow().ok()?.to_datetime(time),
        };
        let start = self.moment(day.to_datetime(self.from), Twice::First)?;
        let end = self.moment(end, Twice::Last)?;
        (start < end).then_some((start, end))
    }

    /// Returns the moment at which the clock shows a time: where it skips that time, the moment at
    /// which it does.
    fn moment(&self, shown: DateTime, twice: Twice) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        match (ambiguous.offset(), twice) {
            (AmbiguousOffset::Unambiguous { offset }, _) => offset.to_timestamp(shown),
            (AmbiguousOffset::Fold { before, .. }, Twice::First) => before.to_timestamp(shown),
            (AmbiguousOffset::Fold { after, .. }, Twice::Last) => after.to_timestamp(shown),
            (AmbiguousOffset::Gap { after, .. }, _) => {
                let before_gap = after.to_timestamp(shown).ok()?;
                let mut changes = self.zone.following(before_gap);
                return changes.next().map(|change| change.timestamp());
            }
        }
        .ok()
    }
}

/// Which moment is meant where the clock shows a time twice.
#[derive(Clone, Copy)]
enum Twice {
    First,
    Last,
}

impl When {
    /// Returns whether this holds while `active` schedules are.
    #[must_use]
    pub fn holds(self, active: Active) -> bool {
        match self {
            Self::Always => true,
            Self::During(id) => active.contains(id),
        }
    }
}

impl Active {
    /// No schedule.
    pub const NONE: Self = Self(0);

    /// Every schedule.
    pub const ALL: Self = Self(u64::MAX);

    /// Returns whether it has the schedule.
    #[must_use]
    pub fn contains(self, id: ScheduleId) -> bool {
        self.0 & Self::bit(id) != 0
    }

    /// Returns those that `mask` has too.
    #[must_use]
    pub fn among(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Adds what `when` depends on.
    #[must_use]
    pub fn with(self, when: When) -> Self {
        match when {
            When::Always => self,
            When::During(id) => Self(self.0 | Self::bit(id)),
        }
    }

    /// Returns it as a number that no other set of schedules of the policy has.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns each schedule in it.
    fn ids(self) -> impl Iterator<Item = ScheduleId> {
        let all = (0..u8::MAX).map(ScheduleId).take(SCHEDULES_MAX);
        all.filter(move |id| self.contains(*id))
    }

    fn bit(ScheduleId(index): ScheduleId) -> u64 {
        1_u64.checked_shl(u32::from(index)).unwrap_or_default()
    }
}

impl Timetable {
    /// Adds a schedule, or finds the equal one; nothing where there are [`SCHEDULES_MAX`] others.
    /// `name` is what the file calls it here.
    pub(crate) fn add(&mut self, schedule: Schedule, name: &str) -> Option<ScheduleId> {
        let known = self.schedules.iter().position(|known| *known == schedule);
        let index = match known {
            Some(index) => index,
            None if self.schedules.len() == SCHEDULES_MAX => return None,
            None => {
                self.schedules.push(schedule);
                self.names.push(Vec::new());
                self.schedules.len() - 1
            }
        };
        let names = self.names.get_mut(index)?;
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
        u8::try_from(index).ok().map(ScheduleId)
    }

    /// Returns what the file calls a schedule, as one name.
    #[must_use]
    pub fn name(&self, id: ScheduleId) -> String {
        self.names(id).join(" = ")
    }

    /// Returns everything that the file calls a schedule: equal ones may have several names.
    #[must_use]
    pub fn names(&self, ScheduleId(index): ScheduleId) -> &[Arc<str>] {
        let names = self.names.get(usize::from(index));
        names.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the schedules among `wanted`, by name, with how they stand at `now`.
    pub fn outlooks(
        &self,
        wanted: Active,
        now: Timestamp,
    ) -> impl Iterator<Item = (String, Outlook)> {
        wanted.ids().filter_map(move |id| {
            let ScheduleId(index) = id;
            let schedule = self.schedules.get(usize::from(index))?;
            Some((self.name(id), schedule.outlook(now)))
        })
    }

    /// Returns whether nothing changes with time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty()
    }

    /// Returns what is active at `now`.
    #[must_use]
    pub fn active(&self, now: Timestamp) -> Active {
        self.span(now).active
    }

    /// Returns what is active at `now`, with the time for which it stays so.
    ///
    /// This looks at some ten days of every window: keep the answer until it ends.
    #[must_use]
    pub fn span(&self, now: Timestamp) -> Span {
        let mut span = Span {
            active: Active::NONE,
            since: Timestamp::MIN,
            until: Timestamp::MAX,
        };
        if self.is_empty() {
            return span;
        }
        // Before that not every change was looked for.
        let mut since = now.checked_sub(LOOKED_BACK).ok();
        // Beyond a week nothing is looked at.
        let mut until = now.checked_add(WEEK).ok();
        for (index, schedule) in (0..).zip(&self.schedules) {
            let (active, last, next) = schedule.at(now);
            if active {
                span.active = span.active.with(When::During(ScheduleId(index)));
            }
            since = since.max(last);
            until = match (until, next) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        span.since = since.unwrap_or(now);
        span.until = until.unwrap_or(Timestamp::MAX);
        span
    }
}

impl Span {
    /// Returns whether it tells of `now`.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}
