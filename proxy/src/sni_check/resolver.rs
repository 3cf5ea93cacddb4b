//! DNS, as the system's files say whom to ask.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use policy::{PolicySet, SniCheck};

use crate::config::{Config, Dns, Mode};

/// How long addresses are kept at most, whatever their answer says.
pub(crate) const ADDRESSES_KEPT_MAX: Duration = Duration::from_secs(3600);

/// How long the absence of a name is kept at most.
pub(crate) const ABSENCE_KEPT_MAX: Duration = Duration::from_secs(60);

/// Asks the system's resolvers, after its hosts file, and remembers the answers. Clones share the
/// memory.
///
/// What it has under way ends with it.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(TokioResolver);

impl Resolver {
    /// Reads the system's files, if a name may ever have to be looked up. Where they cannot be
    /// used, what was read before stays in use.
    pub(crate) fn of_system(
        config: &Config,
        policy: &PolicySet,
        before: Option<&Self>,
    ) -> Option<Self> {
        let intercepts = config.listen.iter().any(|listen| match listen.mode {
            Mode::Tproxy | Mode::Redirect => true,
            Mode::Explicit => false,
        });
        let checks = |mode| mode != SniCheck::Off;
        let mut profiles = policy.profiles().iter();
        if !intercepts || !profiles.any(|profile| checks(profile.sni_check)) {
            return None;
        }
        let read = read_system_conf();
        match read.and_then(|(resolvers, options)| Self::new(resolvers, options, config.dns)) {
            Ok(resolver) => Some(resolver),
            Err(error) => {
                tracing::warn!(%error, "cannot use /etc/resolv.conf; names that pass cannot be looked up");
                before.cloned()
            }
        }
    }

    pub(super) fn new(
        resolvers: ResolverConfig,
        mut options: ResolverOpts,
        limits: Dns,
    ) -> Result<Self, NetError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(resolvers, provider);
        // Half of the time is left for another resolver, or for another attempt.
        options.timeout = options.timeout.min(limits.deadline / 2);
        options.cache_size = u64::try_from(limits.cache_entries).unwrap_or(u64::MAX);
        options.positive_max_ttl = Some(ADDRESSES_KEPT_MAX);
        options.negative_max_ttl = Some(ABSENCE_KEPT_MAX);
        *builder.options_mut() = options;
        builder.build().map(Self)
    }

    /// Returns the addresses of a name that are of the same family as `like`, none if the name or
    /// such an address does not exist. None: the question was not answered.
    ///
    /// A name with a dot is asked for as it is. One without may stand for one of the system's
    /// search domains, as for everybody else on it.
    pub(super) async fn addresses(&self, name: &str, like: IpAddr) -> Option<Vec<IpAddr>> {
        let kind = match filter::plain_address(like) {
            IpAddr::V4(_) => RecordType::A,
            IpAddr::V6(_) => RecordType::AAAA,
        };
        let mut asked = Name::from_ascii(name).ok()?;
        asked.set_fqdn(name.contains('.'));
        match self.0.lookup(asked, kind).await {
            Ok(found) => Some(
                found
                    .answers()
                    .iter()
                    .filter_map(|record| record.data.ip_addr())
                    .collect(),
            ),
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Some(Vec::new()),
            Err(error) => {
                tracing::debug!(name, %error, "name not looked up");
                None
            }
        }
    }
}
