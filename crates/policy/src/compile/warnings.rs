//! What a policy file may say but its author hardly means.

use std::net::IpAddr;

use uri::{Entry, NormalUri};

use super::entries::ReadEntry;
use super::policies::CompiledPolicy;
use super::profiles::{Compiler, Use, destinations};
use crate::file::ProfileWritten;
use crate::written::Written;
use crate::{Action, Active, DestinationId, ListKind, Lists, Profile, RedirectTemplate, When};

/// Entries of one list that are warned about; the rest is counted.
const ENTRIES_SHOWN_MAX: usize = 10;

/// The HTTP port that is always filtered beside the scheme's own (S4 2.1).
const OTHER_HTTP_PORT: u16 = 8080;

impl Compiler<'_> {
    pub(super) fn warn_of_entries(&mut self, uses: &[Use<'_>], lists: &Lists) {
        for used in uses {
            let mut wrong = used
                .entries
                .iter()
                .filter_map(|read| Some((read, remark(read, used.kind, lists)?)));
            for (read, text) in wrong.by_ref().take(ENTRIES_SHOWN_MAX) {
                self.remarks.warning_at(&read.site, text);
            }
            let rest = wrong.count();
            if rest > 0 {
                let text = format!(
                    "{rest} more entries of list `{}` have such warnings",
                    used.name.text
                );
                self.remarks.warning(used.name.place, text);
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
            let template = self.destinations.get(id);
            if template.is_some_and(|template| !self.passes(template, &profile.lists)) {
                let text = format!(
                    "no pass list or bypass of profile `{}` covers `{}`: it is judged again and \
                     could loop",
                    profile.name, to.text
                );
                self.remarks.warning(to.place, text);
            }
        }
    }

    fn passes(&self, template: &RedirectTemplate, lists: &Lists) -> bool {
        let Ok(uri) = template.bare() else {
            return false;
        };
        let host = uri.host().trim_matches(['[', ']']);
        let bypassed = host
            .parse::<IpAddr>()
            .is_ok_and(|address| self.bypass.iter().any(|range| range.contains(&address)));
        bypassed
            || lists
                .find(&uri, Active::NONE)
                .is_some_and(|hit| hit.action == Action::Pass)
    }
}

/// Returns what should be said about an entry.
fn remark(read: &ReadEntry, kind: ListKind, lists: &Lists) -> Option<String> {
    let Entry::Prefix(prefix) = &read.entry else {
        return None;
    };
    let rule = prefix.as_str();
    let parts = Parts::of(rule)?;
    let (scheme, host) = (parts.scheme, parts.host);
    match (scheme, parts.port, parts.path) {
        ("https", _, Some(path)) if path != "/" => Some(format!(
            "`{rule}` can never match, since only the host of TLS is known; use `{}/`",
            rule.strip_suffix(path).unwrap_or(rule)
        )),
        (_, Some(_), None) => Some(format!(
            "`{rule}` ends inside a port and matches longer ones too; end it with a slash"
        )),
        (_, None, None) if !host.ends_with(']') => Some(format!(
            "`{rule}` ends inside a host name and matches longer ones too, such as \
             `{rule}x.example`; end it with a slash, or use the domain `{host}`"
        )),
        ("http", None, path) => misses(rule, host, path.unwrap_or("/"), kind, lists),
        _ => None,
    }
}

/// Says which filtered ways to the same host an `http` entry leaves open.
fn misses(rule: &str, host: &str, path: &str, kind: ListKind, lists: &Lists) -> Option<String> {
    let open = |text: &str| {
        NormalUri::parse(text.as_bytes()).is_ok_and(|uri| lists.find(&uri, Active::ALL).is_none())
    };
    let tls = format!("https://{host}/");
    let other = format!("http://{host}:{OTHER_HTTP_PORT}{path}");
    let other_matters = match kind {
        ListKind::Pass => false,
        ListKind::Block | ListKind::Redirect => true,
    };
    let missed = match (open(&tls), other_matters && open(&other)) {
        (true, true) => format!("`{tls}` and `{other}`; list them too"),
        (true, false) => format!("`{tls}`; list it too"),
        (false, true) => format!("`{other}`; list it too"),
        (false, false) => return None,
    };
    Some(format!(
        "`{rule}` does not cover {missed}, or the domain `{host}` for every scheme and port"
    ))
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
