use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Outcome, Way, expect, header, optional_number, origin, write_origin};
use crate::name::{self, application, command_code};
use crate::{Avp, Bad, Fields, Identity, Message, REQUEST, encode_address};

/// What a node says of itself in CER and CEA (RFC 6733 section 5.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// Who it is.
    pub identity: Identity,
    /// Its addresses. Those of families that do not exist here are left out.
    pub addresses: Vec<IpAddr>,
    /// Its maker.
    pub vendor: u32,
    /// Its product.
    pub product: Box<str>,
    /// Changes when the node has forgotten its sessions.
    pub state: Option<u32>,
    /// Vendors whose AVPs it understands.
    pub vendors: BTreeSet<u32>,
    /// The applications that it serves, however they were written.
    pub applications: BTreeSet<u32>,
}

/// CEA: whether the peers will talk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CapabilitiesAnswer {
    /// Whether the connection stands.
    pub outcome: Outcome,
    /// What the peer says of itself, if it stands; who refuses says less.
    pub capabilities: Option<Capabilities>,
}

impl Capabilities {
    /// Makes the CER.
    #[must_use]
    pub fn request(&self) -> Message {
        Message {
            header: header(
                command_code::CAPABILITIES_EXCHANGE,
                application::BASE,
                REQUEST,
            ),
            avps: self.avps(),
        }
    }

    /// Makes the CEA to a CER.
    #[must_use]
    pub fn answer(&self, request: &Message, result: u32) -> Message {
        let mut avps = vec![Avp::mandatory(name::RESULT_CODE, result)];
        avps.extend(self.avps());
        let header = request.answer(result, &self.identity).header;
        Message { header, avps }
    }

    /// Reads a CER.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read_request(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::CAPABILITIES_EXCHANGE, Way::Request)?;
        Self::read(&message.avps)
    }

    /// Returns whether the node serves an application, or passes on what belongs to any.
    #[must_use]
    pub fn serves(&self, application: u32) -> bool {
        let served = [application, application::RELAY];
        served.iter().any(|id| self.applications.contains(id))
    }

    /// Applications with a vendor are written in both ways, since peers look at either one.
    fn avps(&self) -> Vec<Avp> {
        let mut avps = Vec::from(write_origin(&self.identity));
        let address =
            |address: &IpAddr| Avp::mandatory(name::HOST_IP_ADDRESS, encode_address(*address));
        avps.extend(self.addresses.iter().map(address));
        avps.push(Avp::mandatory(name::VENDOR_ID, self.vendor));
        avps.push(Avp::optional(name::PRODUCT_NAME, &*self.product));
        let state = |state| Avp::mandatory(name::ORIGIN_STATE_ID, state);
        avps.extend(self.state.map(state));
        let vendor = |vendor: &u32| Avp::mandatory(name::SUPPORTED_VENDOR_ID, *vendor);
        avps.extend(self.vendors.iter().map(vendor));
        for application in &self.applications {
            let id = Avp::mandatory(name::AUTH_APPLICATION_ID, *application);
            if *application == application::GX {
                let vendor = Avp::mandatory(name::VENDOR_ID, name::vendor::TGPP);
                avps.push(Avp::mandatory(
                    name::VENDOR_SPECIFIC_APPLICATION_ID,
                    vec![vendor, id.clone()],
                ));
            }
            avps.push(id);
        }
        avps
    }

    fn read(avps: &[Avp]) -> Result<Self, Bad> {
        let addresses = avps.all(name::HOST_IP_ADDRESS);
        let vendors = avps.all(name::SUPPORTED_VENDOR_ID);
        Ok(Self {
            identity: origin(avps)?,
            addresses: addresses.filter_map(|avp| avp.address().ok()).collect(),
            vendor: avps.required(name::VENDOR_ID)?.number()?,
            product: avps.required(name::PRODUCT_NAME)?.text()?.into(),
            state: optional_number(avps, name::ORIGIN_STATE_ID)?,
            vendors: vendors.map(Avp::number).collect::<Result<_, _>>()?,
            applications: applications(avps)?,
        })
    }
}

impl CapabilitiesAnswer {
    /// Reads a CEA.
    ///
    /// # Errors
    ///
    /// Fails if it is none.
    pub fn read(message: &Message) -> Result<Self, Bad> {
        expect(message, command_code::CAPABILITIES_EXCHANGE, Way::Answer)?;
        let outcome = Outcome::read(&message.avps)?;
        let stands = outcome.is_success();
        let capabilities = stands.then(|| Capabilities::read(&message.avps));
        Ok(Self {
            outcome,
            capabilities: capabilities.transpose()?,
        })
    }
}

fn applications(avps: &[Avp]) -> Result<BTreeSet<u32>, Bad> {
    let groups = avps.all(name::VENDOR_SPECIFIC_APPLICATION_ID);
    let lists = groups.map(Avp::inside).chain(std::iter::once(avps));
    let ids = lists.flat_map(|list| {
        let auth = list.all(name::AUTH_APPLICATION_ID);
        auth.chain(list.all(name::ACCT_APPLICATION_ID))
    });
    ids.map(Avp::number).collect()
}
