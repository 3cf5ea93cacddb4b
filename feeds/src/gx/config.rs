use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diameter::Identity;
use diameter::client::ClientSettings;
use diameter::command::Capabilities;
use diameter::name::{application, vendor};
use diameter::peer::{BackOff, PeerSettings};
use gx::Settings;

use super::tls::Tls;

/// The product that a peer is told.
const PRODUCT: &str = "weir";

/// How the policy server is reached, ready to use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Peers, best first: policy servers, or relays to them.
    pub peers: Vec<PeerAddress>,
    /// How Gx is spoken.
    pub gx: Settings,
    /// How long answers may take, and how many are awaited at a time.
    pub client: ClientSettings,
    /// How long nothing may be heard of a peer before it is asked whether it is there.
    pub watchdog: Duration,
    /// How long it may take until a peer is connected and its capabilities are known, and how
    /// long a goodbye may take.
    pub setup: Duration,
    /// How long to wait before a peer is dialled again.
    pub back_off: BackOff,
    /// Session events that wait at most.
    pub queue_max: usize,
}

/// Where a peer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerAddress {
    /// Its name or address.
    pub host: String,
    /// Its port; Diameter has 3868, and 5868 over TLS.
    pub port: u16,
    /// Who it has to be; none: whoever answers.
    pub identity: Option<Arc<str>>,
    /// TLS from the first octet (RFC 6733 section 13.1); none: TCP as it is.
    pub tls: Option<Tls>,
}

impl Config {
    pub(super) fn peer(&self, address: &PeerAddress, own: &Identity) -> PeerSettings {
        PeerSettings {
            own: Capabilities {
                identity: own.clone(),
                addresses: Vec::new(),
                // Of no maker who has a number.
                vendor: 0,
                product: PRODUCT.into(),
                state: Some(self.gx.state),
                vendors: self.vendors().collect(),
                applications: [application::GX].into(),
            },
            host: address.identity.clone(),
            application: application::GX,
            dictionary: Arc::new(self.gx.dictionary()),
            watchdog: self.watchdog,
            setup: self.setup,
            back_off: self.back_off,
        }
    }

    fn vendors(&self) -> impl Iterator<Item = u32> {
        let capability = self.gx.capability.map(|it| it.avp.vendor);
        let vendors = [vendor::TGPP, self.gx.profile_avp.vendor].into_iter();
        vendors.chain(capability).filter(|vendor| *vendor != 0)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
