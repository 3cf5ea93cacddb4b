//! What a policy file may say but its author hardly means.

use std::net::IpAddr;

use uri::{Entry, NormalUri, Scheme};

use super::entries::ReadEntry;
use super::policies::CompiledPolicy;
use super::profiles::{Compiler, Use, destinations};
use crate::file::ProfileWritten;
use crate::written::Written;
use crate::{
    Action, Active, DestinationId, ListKind, Lists, Profile, RedirectTemplate, Warning, When,
};

/// Entries of one list that are warned about; the rest is counted.
pub(super) const ENTRIES_SHOWN_MAX: usize = 10;

/// The HTTP port that is always filtered beside the scheme's own (S4 2.1).
const OTHER_HTTP_PORT: u16 = 8080;

impl Compiler<'_> {
    pub(super) fn warn_of_entries(&mut self, uses: &[Use<'_>], lists: &Lists) {
        for used in uses {
            let allowed = self.remarks.allowed().clone();
            let mut wrong = used
                .entries
                .iter()
                .flat_map(|read| {
                    let said = said(read, used.kind, lists).into_iter();
                    said.map(move |(warning, text)| (read, warning, text))
                })
                .filter(|(_, warning, _)| !allowed.contains(warning));
            let mut last = None;
            for (read, warning, text) in wrong.by_ref().take(ENTRIES_SHOWN_MAX) {
                self.remarks.warning_at(warning, &read.site, text);
                last = Some(warning);
            }
            let rest = wrong.count();
            if let (Some(last), 1..) = (last, rest) {
                let text = format!(
                    "{rest} more such warnings are about entries of list `{}`",
                    used.name.text
                );
                self.remarks.warning(last, used.name.place, text);
            }
        }
    }

    pub(super) fn warn_of_loops(
        &mut self,
        profile: &Profile,
        written: &ProfileWritten,
        policies: &[(When, &CompiledPolicy<'_>)],
    ) {
        let of_policy = policies
            .iter()
            .flat_map(|(_, policy)| policy.redirects.clone());
        let mut of_profile = Vec::new();
        for to in destinations(written) {
            let id = self.destinations.add(to, &mut self.remarks);
            of_profile.extend(id.map(|id| (to, id)));
        }
        let all: Vec<(&Written, DestinationId)> = of_policy.chain(of_profile).collect();
        for (to, id) in all {
            let fate = self
                .destinations
                .get(id)
                .and_then(|template| self.fate(template, profile));
            let name = &profile.name;
            match fate {
                None => {}
                Some(Fate::JudgedAgain) => self.remarks.warning(
                    Warning::RedirectNotPassed,
                    to.place,
                    format!(
                        "no pass list or bypass of profile `{name}` covers `{}`: it is judged \
                         again and could loop",
                        to.text
                    ),
                ),
                Some(Fate::Redirected(by)) => self.remarks.warning(
                    Warning::RedirectLoops,
                    to.place,
                    format!(
                        "profile `{name}` redirects `{}` itself, by {by}: its clients go round \
                         in circles; pass it by a list",
                        to.text
                    ),
                ),
            }
        }
    }

    /// Returns what becomes of a client at the destination, unless it passes.
    fn fate(&self, template: &RedirectTemplate, profile: &Profile) -> Option<Fate> {
        let Ok(uri) = template.bare() else {
            return Some(Fate::JudgedAgain);
        };
        let host = uri.host().trim_matches(['[', ']']);
        let address = host.parse::<IpAddr>();
        if address.is_ok_and(|it| self.bypass.iter().any(|range| range.contains(&it))) {
            return None;
        }
        let hit = profile.lists.find(&uri, Active::NONE);
        let action = match &hit {
            Some(hit) => hit.action,
            None if profile.icap => return Some(Fate::JudgedAgain),
            None => profile.unknown_action,
        };
        match (action, uri.scheme()) {
            (Action::Pass, _) if hit.is_some() => None,
            // On TLS a redirect is a block: no loop, and no page either.
            (Action::Redirect(_), Scheme::Http) => Some(Fate::Redirected(match hit {
                Some(hit) => format!("`{}`", hit.rule),
                None => "`unknown_action`".to_owned(),
            })),
            (Action::Pass | Action::Block | Action::Redirect(_), _) => Some(Fate::JudgedAgain),
        }
    }
}

/// What becomes of a client where it was sent.
enum Fate {
    /// Lists do not pass it.
    JudgedAgain,
    /// It is redirected again, by this.
    Redirected(String),
}

/// Returns what should be said about an entry.
fn said(read: &ReadEntry, kind: ListKind, lists: &Lists) -> Vec<(Warning, String)> {
    let Entry::Prefix(prefix) = &read.entry else {
        return Vec::new();
    };
    let rule = prefix.as_str();
    let Some(parts) = Parts::of(rule) else {
        return Vec::new();
    };
    let (scheme, host) = (parts.scheme, parts.host);
    match (scheme, parts.port, parts.path) {
        ("https", _, Some(path)) if path != "/" => vec![(
            Warning::NeverMatches,
            format!(
                "`{rule}` can never match, since only the host of TLS is known; use `{}/`",
                rule.strip_suffix(path).unwrap_or(rule)
            ),
        )],
        (_, Some(_), None) => vec![(
            Warning::PrefixInPort,
            format!("`{rule}` ends inside a port and matches longer ones too; end it with a slash"),
        )],
        (_, None, None) if !host.ends_with(']') => vec![(
            Warning::PrefixInHost,
            format!(
                "`{rule}` ends inside a host name and matches longer ones too, such as \
                 `{rule}x.example`; end it with a slash, or use the domain `{host}`"
            ),
        )],
        ("http", None, path) => misses(rule, host, path.unwrap_or("/"), kind, lists),
        _ => Vec::new(),
    }
}

/// Says which filtered ways to the same host an `http` entry leaves open.
fn misses(
    rule: &str,
    host: &str,
    path: &str,
    kind: ListKind,
    lists: &Lists,
) -> Vec<(Warning, String)> {
    let open = |text: &str| {
        NormalUri::parse(text.as_bytes()).is_ok_and(|uri| lists.find(&uri, Active::ALL).is_none())
    };
    let tls = (Warning::HttpWithoutHttps, format!("https://{host}/"));
    let other = format!("http://{host}:{OTHER_HTTP_PORT}{path}");
    let other = match kind {
        ListKind::Pass => None,
        ListKind::Block | ListKind::Redirect => Some((Warning::HttpWithoutPort, other)),
    };
    let ways = [Some(tls), other].into_iter().flatten();
    ways.filter(|(_, way)| open(way))
        .map(|(warning, way)| {
            let text = format!(
                "`{rule}` does not cover `{way}`; list it too, or the domain `{host}` for every \
                 scheme and port"
            );
            (warning, text)
        })
        .collect()
}

/// A prefix taken apart, as far as it goes.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    /// From the first slash.
    path: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(prefix: &'a str) -> Option<Self> {
        let (scheme, rest) = prefix.split_once("://")?;
        let path = rest.find(['/', '?']).and_then(|start| rest.get(start..));
        let authority = rest.get(..rest.len() - path.map_or(0, str::len))?;
        let in_brackets = authority.rfind(']').unwrap_or_default();
        let colon = authority.rfind(':').filter(|colon| *colon >= in_brackets);
        let (host, port) = match colon {
            Some(colon) => (authority.get(..colon)?, authority.get(colon + 1..)),
            None => (authority, None),
        };
        Some(Self {
            scheme,
            host,
            port,
            path,
        })
    }
}
