//! The configuration file as written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use policy::written::{Named, Placed, Remarks, Written, quote};
use policy::{Place, PolicySet};
use serde::Deserialize;
use sessions::{DIGITS_MAX, Digits, Name, Session};

pub mod gx;
mod live;
pub mod redis;

pub use live::{
    LIFETIME_S_DEFAULT, LIFETIME_S_MAX, Live, SECRET_FILE_LEN_MAX, SESSIONS_DEFAULT, VALUE_LEN_MAX,
};

use crate::files::Files;

/// `sessions.static`: entries at most.
pub const STATIC_SESSIONS_MAX: usize = 100_000;
/// `sessions.rules[].priority` at most.
pub const PRIORITY_MAX: u32 = 65_535;
/// Characters of an access point name at most (TS 23.003 9.1).
pub const APN_LEN_MAX: usize = 100;
/// `sessions.users`: users at most.
pub const USERS_MAX: usize = 60_000;
/// `sessions.users`: bytes of a name at most.
pub const USER_LEN_MAX: usize = 256;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The policy file, relative to this one.
    pub policy: Option<Written>,
    /// The proxy.
    pub proxy: Option<Placed<proxy::config::file::Section>>,
    /// The ICAP server.
    pub icap_server: Option<Placed<icap_server::config::file::Section>>,
    /// Who is behind which address.
    pub sessions: Option<Sessions>,
}

/// The `sessions:` section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    #[serde(default, rename = "static")]
    fixed: Vec<Fixed>,
    #[serde(default)]
    apn_defaults: BTreeMap<Written, Written>,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    users: Named<User>,
    live: Option<live::Table>,
    radius: Option<live::Radius>,
    gx: Option<gx::Gx>,
    redis: Option<redis::Section>,
    admin: Option<Placed<live::Admin>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    profile: Option<Written>,
    msisdn: Option<Written>,
    imsi: Option<Written>,
    apn: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixed {
    clients: Placed<Vec<Written>>,
    profile: Option<Written>,
    msisdn: Option<Written>,
    imsi: Option<Written>,
    apn: Option<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: Written,
    profile: Written,
    priority: Option<Written>,
}

impl Sessions {
    /// Returns the sessions that the file names. Profiles must be in `policy`, where there is one.
    pub fn resolve(
        &self,
        policy: Option<&PolicySet>,
        remarks: &mut Remarks,
    ) -> sessions::Directory {
        let mut reader = Reader { policy, remarks };
        if let Some(entry) = self.fixed.get(STATIC_SESSIONS_MAX) {
            let text = format!("more than {STATIC_SESSIONS_MAX} entries; use at most so many");
            reader.remarks.error(entry.clients.place, text);
        }
        let mut ranges = BTreeMap::new();
        for entry in self.fixed.iter().take(STATIC_SESSIONS_MAX) {
            let session = Arc::new(reader.session(entry));
            reader
                .remarks
                .counted(&entry.clients, STATIC_SESSIONS_MAX, "ranges");
            for written in &entry.clients.value {
                let Some(range) = written.range(reader.remarks) else {
                    continue;
                };
                if ranges.insert(range, Arc::clone(&session)).is_some() {
                    let text = format!("`{range}` is here twice; keep one");
                    reader.remarks.error(written.place, text);
                }
            }
        }
        let selection = reader.selection(self);
        let users = reader.users(&self.users);
        sessions::Directory::new(ranges, selection).with_users(users)
    }
}

impl Sessions {
    /// Returns where the admin API for sessions is asked for.
    pub fn admin_place(&self) -> Option<Place> {
        self.admin.as_ref().map(|it| it.place)
    }

    /// Returns what the file says about sessions that the network reports; none: they are not
    /// taken. Secrets are read, with paths relative to the file at `path`.
    pub fn resolve_live(
        &self,
        (files, path): (Files, &Path),
        policy: Option<&PolicySet>,
        remarks: &mut Remarks,
    ) -> Option<Live> {
        let mut reader = Reader { policy, remarks };
        let radius = self.radius.as_ref();
        let radius = radius.map(|radius| radius.resolve((files, path), &mut reader));
        let admin = self.admin.as_ref();
        let remarks = &mut *reader.remarks;
        let tokens = admin.map(|it| it.value.resolve((files, path), it.place, remarks));
        let is_fed =
            radius.is_some() || tokens.is_some() || self.gx.is_some() || self.redis.is_some();
        let table = match &self.live {
            Some(table) => table,
            None if is_fed => &live::Table::default(),
            None => return None,
        };
        let live = table.resolve(path, (radius, tokens), remarks);
        let most = live.as_ref().map(|live| live.limits.sessions_max);
        let most = most.unwrap_or(SESSIONS_DEFAULT);
        let gx = self.gx.as_ref().map(|gx| {
            gx.look_for_profiles(!self.rules.is_empty(), &mut reader);
            gx.resolve((files, path), most, &mut reader)
        });
        let redis = self.redis.as_ref();
        let redis = redis.and_then(|redis| redis.resolve((files, path), &mut reader));
        if let (Some(_), Some(snapshot)) = (&self.redis, &table.snapshot) {
            let text = "sessions in Redis need no snapshot; remove one of the two";
            reader.remarks.error(snapshot.place, text);
        }
        // A part that is wrong is left out here, and keeps the rest from being used.
        live.map(|live| Live {
            gx: gx.flatten(),
            redis,
            ..live
        })
    }
}

/// Reads names and numbers, and remarks on those that are wrong.
struct Reader<'a> {
    policy: Option<&'a PolicySet>,
    remarks: &'a mut Remarks,
}

impl Reader<'_> {
    fn session(&mut self, entry: &Fixed) -> Session {
        self.described(
            [&entry.msisdn, &entry.imsi],
            entry.apn.as_ref(),
            entry.profile.as_ref(),
        )
    }

    fn described(
        &mut self,
        [msisdn, imsi]: [&Option<Written>; 2],
        apn: Option<&Written>,
        profile: Option<&Written>,
    ) -> Session {
        Session {
            msisdn: msisdn.as_ref().and_then(|digits| self.digits(digits)),
            imsi: imsi.as_ref().and_then(|digits| self.digits(digits)),
            apn: apn
                .and_then(|apn| self.apn(apn))
                .map(|apn| apn.as_str().into()),
            profile: profile
                .and_then(|profile| self.profile(profile))
                .map(Name::from),
            ..Session::default()
        }
    }

    fn users(&mut self, users: &Named<User>) -> BTreeMap<String, Arc<Session>> {
        let mut named = BTreeMap::new();
        if let Some((name, _)) = users.0.get(USERS_MAX) {
            let text = format!("more than {USERS_MAX} users; use at most so many");
            self.remarks.error(name.place, text);
        }
        for (name, user) in users.0.iter().take(USERS_MAX) {
            let session = self.described(
                [&user.msisdn, &user.imsi],
                user.apn.as_ref(),
                user.profile.as_ref(),
            );
            if !(1..=USER_LEN_MAX).contains(&name.text.len()) {
                let text = format!(
                    "`{}` is not a user name; use 1 to {USER_LEN_MAX} bytes",
                    quote(&name.text)
                );
                self.remarks.error(name.place, text);
            }
            let key = name.text.to_lowercase();
            if named.insert(key, Arc::new(session)).is_some() {
                let text = format!(
                    "the user `{}` is here twice, as case does not matter; keep one",
                    quote(&name.text)
                );
                self.remarks.error(name.place, text);
            }
        }
        named
    }

    fn selection(&mut self, sessions: &Sessions) -> sessions::Selection {
        let mut apn_defaults = BTreeMap::new();
        for (apn, profile) in &sessions.apn_defaults {
            if let (Some(name), Some(profile)) = (self.apn(apn), self.profile(profile))
                && apn_defaults.insert(name, profile).is_some()
            {
                let text = format!("`{}` is here twice; keep one", apn.text);
                self.remarks.error(apn.place, text);
            }
        }
        let mut names = BTreeMap::new();
        for rule in &sessions.rules {
            if names.insert(&rule.rule.text, ()).is_some() {
                let text = format!(
                    "the rule `{}` is here twice; keep one",
                    quote(&rule.rule.text)
                );
                self.remarks.error(rule.rule.place, text);
            }
        }
        let rules = sessions
            .rules
            .iter()
            .filter_map(|rule| self.rule(rule))
            .collect();
        sessions::Selection::new(apn_defaults, rules)
    }

    fn rule(&mut self, rule: &Rule) -> Option<sessions::ProfileRule> {
        let profile = self.profile(&rule.profile);
        let priority = match &rule.priority {
            Some(priority) => priority.number("a priority", 0..=PRIORITY_MAX, self.remarks),
            None => Some(0),
        };
        Some(sessions::ProfileRule {
            rule: rule.rule.text.as_str().into(),
            profile: profile?,
            priority: priority?,
        })
    }

    fn profile(&mut self, written: &Written) -> Option<Arc<str>> {
        let Some(policy) = self.policy else {
            return Some(written.text.as_str().into());
        };
        let profile = policy.profile(&written.text);
        if profile.is_none() {
            let text = policy.no_profile(&written.text);
            self.remarks.error(written.place, text);
        }
        profile.map(|profile| Arc::clone(&profile.name))
    }

    fn digits(&mut self, written: &Written) -> Option<Digits> {
        let text = &written.text;
        let digits = Digits::new(text);
        if digits.is_none() {
            let text = format!(
                "`{}` is not a number of 1 to {DIGITS_MAX} digits",
                quote(text)
            );
            self.remarks.error(written.place, text);
        }
        digits
    }

    /// Access point names are compared without regard to case (TS 23.003 9.1).
    fn apn(&mut self, written: &Written) -> Option<String> {
        let text = &written.text;
        let good = (1..=APN_LEN_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !good {
            let text = format!(
                "`{}` is not an access point name; use letters, digits, `-` and `.`, at most \
                 {APN_LEN_MAX}",
                quote(text)
            );
            self.remarks.error(written.place, text);
        }
        good.then(|| text.to_ascii_lowercase())
    }
}
