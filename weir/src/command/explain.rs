//! `weir explain`: shows every step of one decision.

mod gateway;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use filter::{Protocol, Request, Requested, Rules, Trace, explain};
use jiff::Timestamp;
use policy::written::quote;
use policy::{PolicySet, RedirectFacts};
use service::exit;
use uri::NormalUri;

use super::test::answer_of;
use crate::cli::Explain;
use crate::failure::one_line;
use crate::files::Files;
use crate::{Failure, ask, load};

/// Explains the decision about one URI or server name.
pub(crate) fn run(options: &Explain, out: &mut dyn Write) -> Result<u8, Failure> {
    let requested = requested(options)?;
    let text = match (&options.admin, &options.policy) {
        (Some(admin), _) => gateway::ask(admin, options)?,
        (None, Some(policy)) => by_file(options, policy, &requested)?,
        (None, None) => return Err(Failure::Usage("use --policy or --admin".to_owned())),
    };
    out.write_all(text.as_bytes())?;
    Ok(exit::SUCCESS)
}

/// Decides with a policy file.
fn by_file(options: &Explain, policy: &Path, requested: &Requested) -> Result<String, Failure> {
    let compiled = load::policy(Files::Disk, policy).map_err(Failure::Configuration)?;
    let policy = Arc::new(compiled.set);
    let profile = profile(options, &policy)?;
    let request = Request {
        profile: profile.as_deref(),
        target: requested.target(),
        destination: options.destination.or_else(|| requested.address()),
    };
    let rules = Rules {
        policy: Arc::clone(&policy),
        policy_generation: 0,
        icap_generation: 0,
        now: Some(options.now.unwrap_or_else(Timestamp::now)),
    };
    let service = options
        .icap
        .as_deref()
        .map(ask::Service::parse)
        .transpose()?;
    let names = categories(options);
    let mut fault = None;
    let mut answer = |uri: &NormalUri| match &service {
        Some(service) => service.ask(uri).map_err(|error| {
            let kind = error.kind();
            fault = Some(error);
            kind
        }),
        None => match options.icap_failure {
            Some(class) => Err(class),
            None => Ok(answer_of(&names)),
        },
    };
    let explanation = explain(&rules, request, &mut answer);
    let facts = RedirectFacts {
        uri: requested.as_received(),
        ..RedirectFacts::default()
    };
    let mut trace = Trace::new(&rules, profile.as_deref(), requested, &explanation, facts);
    trace.icap_fault = fault.map(|fault| one_line(&fault));
    Ok(match options.json {
        true => serde_json::to_string(&trace).map_err(std::io::Error::from)? + "\n",
        false => trace.to_string(),
    })
}

/// Returns the names as an answer's list would be read: without spaces, and empty ones are none.
fn categories(options: &Explain) -> Vec<String> {
    let names = options.categories.iter().flatten();
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn profile(options: &Explain, policy: &PolicySet) -> Result<Option<Arc<str>>, Failure> {
    let Some(name) = &options.profile else {
        return Ok(policy
            .default_profile()
            .map(|profile| Arc::clone(&profile.name)));
    };
    let known = policy
        .profile(name)
        .map(|profile| Some(Arc::clone(&profile.name)));
    known.ok_or_else(|| Failure::Usage(policy.no_profile(name)))
}

fn requested(options: &Explain) -> Result<Requested, Failure> {
    if options.uri.is_empty() {
        let text = "the URI is empty; give one such as `http://play.example/`";
        return Err(Failure::Usage(text.to_owned()));
    }
    let with_scheme = options.uri.contains("://");
    if !with_scheme && !options.tls {
        return Err(Failure::Usage(format!(
            "`{0}` has no scheme; use `http://{0}`, or --tls for a server name",
            quote(&options.uri)
        )));
    }
    if !with_scheme {
        return Ok(Requested::server_name(&options.uri));
    }
    let requested = Requested::uri(&options.uri);
    if options.tls && requested.protocol == Protocol::Http {
        let text = "--tls goes with a server name or an https URI";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(requested)
}

#[cfg(test)]
mod tests;
