//! Schedules, by name or on the spot.

use std::collections::BTreeMap;

use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::Place;
use crate::file::{Loose, WhenWritten, WindowWritten};
use crate::schedule::{Days, SCHEDULES_MAX, Schedule, Timetable, To, WINDOWS_MAX, When, Window};
use crate::suggest::{nearest, unknown};
use crate::written::{Named, Remarks, Written, quote};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The end of a day, as the end of a window.
const END_OF_DAY: &str = "24:00";

/// The schedules of a file.
pub(super) struct Times<'a> {
    named: BTreeMap<&'a str, Vec<Window>>,
    zones: TimeZoneDatabase,
    timetable: Timetable,
}

impl<'a> Times<'a> {
    /// Reads the schedules that have a name.
    pub(super) fn new(schedules: &'a Named<WhenWritten>, remarks: &mut Remarks) -> Self {
        let mut times = Self {
            named: BTreeMap::new(),
            zones: TimeZoneDatabase::bundled(),
            timetable: Timetable::default(),
        };
        for (name, written) in &schedules.0 {
            let windows = times.windows(written, remarks);
            times.named.insert(&name.text, windows);
        }
        times
    }

    /// Reads when something holds.
    pub(super) fn when(&mut self, written: &WhenWritten, remarks: &mut Remarks) -> When {
        let windows = self.windows(written, remarks);
        let id = self
            .timetable
            .add(Schedule::new(windows), &written.called());
        if id.is_none() {
            let text = format!("more than {SCHEDULES_MAX} different schedules; use fewer");
            remarks.error(written.place, text);
        }
        id.map_or(When::Always, When::During)
    }

    pub(super) fn into_timetable(self) -> Timetable {
        self.timetable
    }

    fn windows(&self, written: &WhenWritten, remarks: &mut Remarks) -> Vec<Window> {
        let mut windows = Vec::new();
        for one in written.each() {
            self.add(one, &mut windows, remarks);
        }
        if windows.len() > WINDOWS_MAX {
            let text = format!(
                "{} windows are too many; use at most {WINDOWS_MAX}",
                windows.len()
            );
            remarks.error(written.place, text);
        }
        windows
    }

    fn add(&self, written: &WhenWritten, windows: &mut Vec<Window>, remarks: &mut Remarks) {
        match &written.value {
            Loose::Word(name) => match self.named.get(name.as_str()) {
                Some(named) => windows.extend_from_slice(named),
                None => {
                    let text = unknown("schedule", name, self.named.keys().copied());
                    remarks.error(written.place, text);
                }
            },
            Loose::Map(window) => windows.extend(self.window(window, written.place, remarks)),
            Loose::List(_) | Loose::Nothing => {
                let text = "use the name of a schedule, or `{days: [mon-fri], from: \"21:00\", to: \
                            \"07:00\", timezone: Europe/Madrid}`";
                remarks.error(written.place, text);
            }
        }
    }

    fn window(
        &self,
        written: &WindowWritten,
        place: Place,
        remarks: &mut Remarks,
    ) -> Option<Window> {
        let days = days(written.days.as_deref(), place, remarks);
        let from = match &written.from {
            Some(text) => time(text, remarks),
            None => Some(Time::midnight()),
        };
        let to = match &written.to {
            Some(text) if text.text == END_OF_DAY => Some(None),
            Some(text) => time(text, remarks).map(Some),
            None => Some(None),
        };
        let zone = match &written.timezone {
            Some(name) => self.zone(name, remarks),
            None => {
                let text = "the key `timezone` is missing; use a name such as `Europe/Madrid`";
                remarks.error(place, text);
                None
            }
        };
        let (from, to) = (from?, to?);
        let to = match to {
            None => To::NextDay(Time::midnight()),
            Some(to) if to > from => To::SameDay(to),
            Some(to) if to < from => To::NextDay(to),
            Some(_) => {
                let text = "`from` and `to` are the same time; for whole days leave both out";
                remarks.error(written.to.as_ref().map_or(place, |to| to.place), text);
                return None;
            }
        };
        Some(Window {
            days: days?,
            from,
            to,
            zone: zone?,
        })
    }

    fn zone(&self, name: &Written, remarks: &mut Remarks) -> Option<TimeZone> {
        let found = self.zones.get(&name.text).ok();
        if found.is_none() {
            let names: Vec<String> = self.zones.available().map(|it| it.to_string()).collect();
            let near = nearest(&name.text, names.iter().map(String::as_str));
            let what = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "use one of the tz database, such as `Europe/Madrid`".to_owned(),
            };
            let text = format!("`{}` is no time zone; {what}", quote(&name.text));
            remarks.error(name.place, text);
        }
        found
    }
}

/// Reads days and ranges of days; every day if there is no key.
fn days(written: Option<&[Written]>, place: Place, remarks: &mut Remarks) -> Option<Days> {
    let Some(written) = written else {
        return Some(Days::ALL);
    };
    if written.is_empty() {
        remarks.error(place, "`days` is empty; leave it out for every day");
        return None;
    }
    let mut days = Some(Days::NONE);
    for text in written {
        let (first, last) = text
            .text
            .split_once('-')
            .unwrap_or((&text.text, &text.text));
        days = match (day(first), day(last)) {
            (Some(first), Some(last)) => days.map(|days| days.with(first, last)),
            _ => {
                let wrong = format!(
                    "`{}` is not a day; use mon, tue, wed, thu, fri, sat or sun, or a range such \
                     as mon-fri",
                    quote(&text.text)
                );
                remarks.error(text.place, wrong);
                None
            }
        };
    }
    days
}

fn day(word: &str) -> Option<Weekday> {
    let mut days = DAYS.into_iter();
    days.find(|(name, _)| *name == word.trim())
        .map(|(_, day)| day)
}

/// Reads a time of the day: two digits, a colon, two digits.
fn time(written: &Written, remarks: &mut Remarks) -> Option<Time> {
    let two = |digits: &str| {
        let good = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|_| good)
    };
    let parts = written.text.split_once(':');
    let time = parts.and_then(|(hours, minutes)| Time::new(two(hours)?, two(minutes)?, 0, 0).ok());
    if time.is_none() {
        let text = format!(
            "`{}` is not a time of the day; use the form `07:30`, from 00:00 to 23:59, or 24:00 as \
             an end",
            quote(&written.text)
        );
        remarks.error(written.place, text);
    }
    time
}
