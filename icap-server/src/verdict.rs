use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use filter::{
    Answer, CacheLimits, Decision, Enforcement, Filter, Protocol, Rules, Step, Target, Undecidable,
};
use icap::Request;
use policy::RedirectFacts;
use sessions::{Digits, Known, Reported, Session};
use uri::NormalUri;

use crate::content::Loaded;
use crate::page::{self, Page, Reads};
use crate::subject::{Form, NoSubject, Subject};

/// The parameter of `/filter` that names a profile.
pub(crate) const PROFILE_PARAMETER: &str = "profile";

/// What `/filter` says about a request.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    /// What the client gets in place of an answer of the origin. None: the request may go on.
    pub(crate) page: Option<Page>,
    /// One word about it.
    pub(crate) response_info: &'static str,
}

/// The profile that the request names is not in the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoSuchProfile;

/// Creates the engine for one connection. ICAP clients keep what they may themselves.
pub(crate) fn engine() -> Filter {
    Filter::new(CacheLimits {
        entries_max: None,
        lifetime: std::time::Duration::ZERO,
    })
}

/// Applies a profile to a request.
pub(crate) fn judge(
    engine: &mut Filter,
    loaded: &Loaded,
    rules: &Rules,
    (request, reported): (&Request, Reported),
) -> Result<Verdict, NoSuchProfile> {
    let session = session(loaded, request, reported);
    let session = session.as_deref();
    let profile = profile(loaded, rules, request, session)?;
    let subject = Subject::of(&request.http_head);
    let target = match &subject {
        Ok(subject) => Target::Uri(&subject.readings),
        Err(NoSubject::Malformed) => Target::Undecidable(Undecidable::NotHttp),
        Err(NoSubject::InvalidUri) => Target::Undecidable(Undecidable::InvalidHost),
    };
    let question = filter::Request {
        profile,
        target,
        destination: destination(request, subject.as_ref().ok()),
    };
    let decision = decide(engine, loaded, rules, question);
    let facts = Facts {
        session,
        request,
        subject: subject.as_ref().ok(),
    };
    Ok(enforce(decision, &facts))
}

/// What a redirect can be filled in with.
struct Facts<'a> {
    session: Option<&'a Session>,
    request: &'a Request,
    subject: Option<&'a Subject>,
}

/// Finds the session: that of the client's address, or that of the user where the address has
/// none, or one without a profile.
fn session(loaded: &Loaded, request: &Request, reported: Reported) -> Option<Known> {
    let sessions = &loaded.sessions;
    let by_address = request
        .client_ip
        .and_then(|it| sessions.session(it, reported));
    if sessions.decides(by_address.as_deref()) {
        return by_address;
    }
    let by_user = request.user_names().find_map(|name| sessions.user(&name));
    let by_user = by_user.map(|session| Known::Fixed(Arc::clone(session)));
    by_user.or(by_address)
}

/// Picks the profile: the one that the request names, else that of the client's session, else the
/// policy's default.
fn profile<'a>(
    loaded: &'a Loaded,
    rules: &'a Rules,
    request: &Request,
    session: Option<&'a Session>,
) -> Result<Option<&'a str>, NoSuchProfile> {
    if let Some(name) = request.service.parameter(PROFILE_PARAMETER) {
        let profile = rules.policy.profile(&name).ok_or(NoSuchProfile)?;
        return Ok(Some(&profile.name));
    }
    let default = rules.policy.default_profile();
    let default = default.map(|profile| &*profile.name);
    Ok(loaded.sessions.profile(session, default))
}

/// Returns the address that may be a bypass address: where the ICAP client says that the request
/// goes, else an address written as the host.
fn destination(request: &Request, subject: Option<&Subject>) -> Option<IpAddr> {
    request
        .server_ip
        .or_else(|| literal(subject?.readings.normal()))
}

fn literal(uri: &NormalUri) -> Option<IpAddr> {
    let host = uri.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn decide(
    engine: &mut Filter,
    loaded: &Loaded,
    rules: &Rules,
    request: filter::Request<'_>,
) -> Decision {
    let now = Instant::now();
    match engine.begin(rules, request, now) {
        Step::Decided(decision) => decision,
        Step::Ask(question) => {
            let answers = question
                .uris()
                .iter()
                .map(|uri| Ok(answer(loaded, uri)))
                .collect();
            engine.finish(rules, question, answers, now)
        }
    }
}

fn answer(loaded: &Loaded, uri: &NormalUri) -> Answer {
    let found = loaded.database.lookup_uri(uri);
    Answer {
        categories: found.categories().map(Arc::from).collect(),
        verdict: None,
        prefix: None,
        lifetime: None,
    }
}

/// Turns a decision into what ICAP can say. There is no connection here to discard or reset, so
/// every block is a page; in a tunnel a redirect is a block, since nothing would follow it.
fn enforce(decision: Decision, facts: &Facts<'_>) -> Verdict {
    let tunnel = facts
        .subject
        .is_some_and(|subject| subject.form == Form::Authority);
    let protocol = match tunnel {
        true => Protocol::Tls,
        false => Protocol::Http,
    };
    let (page, response_info) = match decision.enforcement(protocol) {
        Enforcement::Forward => (None, "Allowed"),
        Enforcement::Discard | Enforcement::Reset | Enforcement::Forbid => {
            (Some(page::blocked(facts.reads())), "Blocked")
        }
        Enforcement::Redirect => match facts.location(&decision) {
            Some(location) => (Some(page::redirect(&location)), "Redirected"),
            // A redirect always has a destination; without one it must not become a pass.
            None => (Some(page::blocked(facts.reads())), "Blocked"),
        },
    };
    Verdict {
        decision,
        page,
        response_info,
    }
}

impl Facts<'_> {
    fn location(&self, decision: &Decision) -> Option<String> {
        let session = self.session;
        let msisdn = session.and_then(|session| session.msisdn).map(Digits::text);
        let imsi = session.and_then(|session| session.imsi).map(Digits::text);
        decision.location(RedirectFacts {
            msisdn: match session {
                Some(_) => msisdn.as_deref().unwrap_or_default(),
                // An ICAP client that knows the subscriber better than we do says so.
                None => self.request.subscriber_id.as_deref().unwrap_or_default(),
            },
            imsi: imsi.as_deref().unwrap_or_default(),
            uri: self.subject.map_or(&[], |subject| &subject.received),
        })
    }

    fn reads(&self) -> Reads {
        if self.request.http_head.starts_with(b"HEAD ") {
            Reads::Head
        } else {
            Reads::HeadAndBody
        }
    }
}
