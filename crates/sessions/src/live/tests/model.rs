//! A list of sessions that is searched from end to end. Every store has to agree with it, also
//! those of other packages, whose tests include this file.

use proptest::prelude::*;

use super::*;

pub(super) const LIMITS: LiveLimits = LiveLimits {
    sessions_max: 1_000,
    lifetime_s: 100,
};

const RANGES: [&str; 7] = [
    "10.0.0.0/32",
    "10.0.0.1/32",
    "10.0.0.2/32",
    "2001:db8::/56",
    "2001:db8::/64",
    "2001:db8:0:1::/64",
    "2001:db8::1/128",
];

pub(super) const CLIENTS: [&str; 7] = [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8:0:1::1",
    "2001:db8:0:2::1",
];

#[derive(Clone, Debug)]
pub(super) enum Step {
    Report(usize, usize, Vec<usize>, u32),
    Close(usize, usize, u32),
    Switched(usize, Switched, u32),
    Assign(usize),
    Remove(usize),
    Sweep,
    Wait(u32),
    Restart,
}

#[derive(Clone, Debug)]
pub(super) struct Open {
    /// NAS and id; none: an operator's.
    owner: (Option<usize>, String),
    ranges: Vec<IpNet>,
    event_s: u32,
    expires_s: u32,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) open: Vec<Open>,
    ended: Vec<((Option<usize>, String), u32)>,
    cleared_s: [u32; 2],
    pub(super) now_s: u32,
}

impl Model {
    fn is_open(&self, it: &Open) -> bool {
        it.owner
            .0
            .is_none_or(|nas| it.event_s >= self.cleared_s[nas])
    }

    fn is_open_now(&self, it: &Open) -> bool {
        self.is_open(it) && self.now_s < it.expires_s
    }

    pub(super) fn lookup(&self, client: &str) -> Option<&str> {
        let client: IpAddr = client.parse().unwrap();
        let open = self.open.iter().filter(|it| self.is_open(it));
        let ranges = open.flat_map(|it| it.ranges.iter().map(move |range| (range, it)));
        let holding = ranges.filter(|(range, _)| range.contains(&client));
        let longest = holding.max_by_key(|(range, _)| range.prefix_len());
        longest.map(|(_, it)| it.owner.1.as_str())
    }

    fn end(&mut self, event_s: Option<u32>, which: impl Fn(&Open) -> bool) {
        let (ended, open) = self.open.drain(..).partition(|it| which(it));
        self.open = open;
        let ended: Vec<Open> = ended;
        let ends = ended
            .into_iter()
            .map(|it| (it.owner, event_s.unwrap_or(it.event_s)));
        self.ended.extend(ends);
    }

    fn report(&mut self, owner: &(Option<usize>, String), ranges: &[IpNet], event_s: u32) {
        let late =
            |(who, end_s): &((Option<usize>, String), u32)| who == owner && event_s <= *end_s;
        let old = self.open.iter().find(|it| it.owner == *owner);
        let old = old.filter(|it| self.is_open_now(it)).cloned();
        if self.ended.iter().any(late)
            || old.as_ref().is_some_and(|old| event_s < old.event_s)
            || event_s + LIMITS.lifetime_s <= self.now_s
            || owner.0.is_some_and(|nas| event_s < self.cleared_s[nas])
        {
            return;
        }
        let mut claimed = ranges.to_vec();
        claimed.retain(|range| {
            let later = |it: &&Open| {
                it.owner != *owner
                    && it.ranges.contains(range)
                    && self.is_open_now(it)
                    && (it.event_s > event_s || it.owner.0.is_none())
            };
            !self.open.iter().any(|it| later(&it))
        });
        if let ([], Some(old)) = (ranges, &old) {
            claimed.clone_from(&old.ranges);
        }
        if claimed.is_empty() {
            return;
        }
        self.open.retain(|it| it.owner != *owner);
        self.end(Some(event_s), |it| {
            it.ranges.iter().any(|range| claimed.contains(range))
        });
        self.open.push(Open {
            owner: owner.clone(),
            ranges: claimed,
            event_s,
            expires_s: self.now_s + LIMITS.lifetime_s,
        });
    }

    fn assign(&mut self, range: IpNet) {
        let taken = self
            .open
            .iter()
            .any(|it| it.ranges.contains(&range) && self.is_open_now(it));
        if taken {
            return;
        }
        self.open.retain(|it| it.owner.1 != range.to_string());
        let event_s = self.now_s;
        self.end(Some(event_s), |it| it.ranges.contains(&range));
        self.open.push(Open {
            owner: (None, range.to_string()),
            ranges: vec![range],
            event_s,
            expires_s: u32::MAX,
        });
    }

    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Report(nas, id, ranges, event_s) => {
                let ranges: Vec<IpNet> = ranges.iter().map(|it| net(RANGES[*it])).collect();
                self.report(&owner(*nas, *id), &ranges, *event_s);
            }
            Step::Close(nas, id, event_s) => {
                let owner = owner(*nas, *id);
                let known = self.open.iter().find(|it| it.owner == owner);
                match known.map(|it| it.event_s) {
                    None => self.ended.push((owner, *event_s)),
                    Some(known_s) if *event_s >= known_s => {
                        self.end(Some(*event_s), |it| it.owner == owner);
                    }
                    Some(_) => {}
                }
            }
            Step::Switched(nas, switched, event_s) => {
                let cleared_s = event_s + u32::from(*switched == Switched::Off);
                self.cleared_s[*nas] = self.cleared_s[*nas].max(cleared_s);
            }
            Step::Assign(range) => self.assign(net(RANGES[*range])),
            Step::Remove(range) => {
                let range = net(RANGES[*range]);
                let model = Self {
                    open: Vec::new(),
                    ended: Vec::new(),
                    ..*self
                };
                self.end(None, |it| {
                    it.ranges.contains(&range) && model.is_open_now(it)
                });
            }
            Step::Sweep => {
                let model = Self {
                    open: Vec::new(),
                    ended: Vec::new(),
                    ..*self
                };
                self.end(None, |it| !model.is_open_now(it));
            }
            Step::Wait(seconds) => self.now_s += seconds,
            // What ended is forgotten by a restart; what is open is not.
            Step::Restart => {
                let model = Self {
                    open: Vec::new(),
                    ended: Vec::new(),
                    ..*self
                };
                self.open.retain(|it| model.is_open_now(it));
                self.ended.clear();
            }
        }
    }
}

fn owner(nas: usize, id: usize) -> (Option<usize>, String) {
    (Some(nas), format!("n{nas}s{id}"))
}

impl Step {
    /// Returns the change that a step is, if it is one.
    pub(super) fn change(&self) -> Option<Change> {
        let nas_name = |nas: &usize| format!("nas{nas}").into();
        let id = |nas, id| SessionId::new(owner(nas, id).1.as_bytes()).unwrap();
        Some(match self {
            Self::Report(nas, session, ranges, event_s) => Change::Report(Report {
                nas: nas_name(nas),
                id: id(*nas, *session),
                ranges: ranges.iter().map(|it| net(RANGES[*it])).collect(),
                msisdn: None,
                imsi: None,
                apn: None,
                profile: None,
                event_s: *event_s,
            }),
            Self::Close(nas, session, event_s) => Change::Close {
                nas: nas_name(nas),
                id: id(*nas, *session),
                event_s: *event_s,
            },
            Self::Switched(nas, switched, event_s) => Change::Switch {
                nas: nas_name(nas),
                switched: *switched,
                event_s: *event_s,
            },
            Self::Assign(range) => Change::Assign(net(RANGES[*range]), Assignment::default()),
            Self::Remove(range) => Change::Remove(net(RANGES[*range])),
            Self::Sweep | Self::Wait(_) | Self::Restart => return None,
        })
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let ranges = proptest::collection::vec(0..RANGES.len(), 0..3);
    prop_oneof![
        6 => (0..2_usize, 0..3_usize, ranges, 0..12_u32)
            .prop_map(|(nas, id, ranges, at)| Step::Report(nas, id, ranges, at)),
        3 => (0..2_usize, 0..3_usize, 0..12_u32).prop_map(|(nas, id, at)| Step::Close(nas, id, at)),
        1 => (0..2_usize, 0..12_u32).prop_map(|(nas, at)| Step::Switched(nas, Switched::On, at)),
        1 => (0..2_usize, 0..12_u32).prop_map(|(nas, at)| Step::Switched(nas, Switched::Off, at)),
        2 => (0..RANGES.len()).prop_map(Step::Assign),
        1 => (0..RANGES.len()).prop_map(Step::Remove),
        1 => Just(Step::Sweep),
        1 => (0..80_u32).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}
