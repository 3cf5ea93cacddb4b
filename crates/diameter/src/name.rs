//! The numbers of Diameter by name.

use std::fmt;

/// An AVP by vendor and code. Vendor 0 is the IETF, whether it is written or not.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AvpName {
    /// The vendor's enterprise number.
    pub vendor: u32,
    /// The code, unique for the vendor.
    pub code: u32,
}

impl AvpName {
    /// Names an AVP of the IETF.
    #[must_use]
    pub const fn base(code: u32) -> Self {
        Self { vendor: 0, code }
    }

    /// Names an AVP of a vendor.
    #[must_use]
    pub const fn of(vendor: u32, code: u32) -> Self {
        Self { vendor, code }
    }
}

impl fmt::Display for AvpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vendor {
            0 => write!(f, "{}", self.code),
            vendor => write!(f, "{vendor}/{}", self.code),
        }
    }
}

/// Vendors, by enterprise number.
pub mod vendor {
    /// Ericsson.
    pub const ERICSSON: u32 = 193;
    /// Starent, now Cisco.
    pub const STARENT: u32 = 8164;
    /// 3GPP.
    pub const TGPP: u32 = 10415;
}

/// Command codes.
pub mod command_code {
    /// CER and CEA (RFC 6733 section 5.3).
    pub const CAPABILITIES_EXCHANGE: u32 = 257;
    /// RAR and RAA (RFC 6733 section 8.3).
    pub const RE_AUTH: u32 = 258;
    /// CCR and CCA (RFC 8506 section 3).
    pub const CREDIT_CONTROL: u32 = 272;
    /// DWR and DWA (RFC 6733 section 5.5).
    pub const DEVICE_WATCHDOG: u32 = 280;
    /// DPR and DPA (RFC 6733 section 5.4).
    pub const DISCONNECT_PEER: u32 = 282;
}

/// Application ids.
pub mod application {
    /// What belongs to the connection and not to an application.
    pub const BASE: u32 = 0;
    /// Gx (3GPP TS 29.212 section 5.1).
    pub const GX: u32 = 16_777_238;
    /// A relay: every application (RFC 6733 section 2.4).
    pub const RELAY: u32 = 0xffff_ffff;
}

/// Values of Result-Code (RFC 6733 section 7.1).
pub mod result {
    /// Done.
    pub const SUCCESS: u32 = 2001;
    /// Nobody here knows the command.
    pub const COMMAND_UNSUPPORTED: u32 = 3001;
    /// No peer to send the request to.
    pub const UNABLE_TO_DELIVER: u32 = 3002;
    /// The peer is there and has too much to do.
    pub const TOO_BUSY: u32 = 3004;
    /// The application is not served.
    pub const APPLICATION_UNSUPPORTED: u32 = 3007;
    /// The bits of the header contradict each other.
    pub const INVALID_HDR_BITS: u32 = 3008;
    /// An AVP that must be understood is not.
    pub const AVP_UNSUPPORTED: u32 = 5001;
    /// No such session.
    pub const UNKNOWN_SESSION_ID: u32 = 5002;
    /// The value of an AVP is none of its type.
    pub const INVALID_AVP_VALUE: u32 = 5004;
    /// An AVP is missing.
    pub const MISSING_AVP: u32 = 5005;
    /// An AVP is there more often than it may.
    pub const AVP_OCCURS_TOO_MANY_TIMES: u32 = 5009;
    /// No application is served by both peers.
    pub const NO_COMMON_APPLICATION: u32 = 5010;
    /// Not version 1.
    pub const UNSUPPORTED_VERSION: u32 = 5011;
    /// Not possible for another reason.
    pub const UNABLE_TO_COMPLY: u32 = 5012;
    /// An AVP is shorter or longer than it can be.
    pub const INVALID_AVP_LENGTH: u32 = 5014;
    /// The length of the message cannot be.
    pub const INVALID_MESSAGE_LENGTH: u32 = 5015;
    /// The subscriber is not known (RFC 8506 section 9).
    pub const USER_UNKNOWN: u32 = 5030;
}

/// Framed-IP-Address: an IPv4 address.
pub const FRAMED_IP_ADDRESS: AvpName = AvpName::base(8);
/// Called-Station-Id: the access point name.
pub const CALLED_STATION_ID: AvpName = AvpName::base(30);
/// Framed-IPv6-Prefix, as RFC 3162 section 2.3 writes it.
pub const FRAMED_IPV6_PREFIX: AvpName = AvpName::base(97);
/// Host-IP-Address.
pub const HOST_IP_ADDRESS: AvpName = AvpName::base(257);
/// Auth-Application-Id.
pub const AUTH_APPLICATION_ID: AvpName = AvpName::base(258);
/// Acct-Application-Id.
pub const ACCT_APPLICATION_ID: AvpName = AvpName::base(259);
/// Vendor-Specific-Application-Id, a group.
pub const VENDOR_SPECIFIC_APPLICATION_ID: AvpName = AvpName::base(260);
/// Session-Id.
pub const SESSION_ID: AvpName = AvpName::base(263);
/// Origin-Host.
pub const ORIGIN_HOST: AvpName = AvpName::base(264);
/// Supported-Vendor-Id.
pub const SUPPORTED_VENDOR_ID: AvpName = AvpName::base(265);
/// Vendor-Id.
pub const VENDOR_ID: AvpName = AvpName::base(266);
/// Firmware-Revision.
pub const FIRMWARE_REVISION: AvpName = AvpName::base(267);
/// Result-Code.
pub const RESULT_CODE: AvpName = AvpName::base(268);
/// Product-Name.
pub const PRODUCT_NAME: AvpName = AvpName::base(269);
/// Disconnect-Cause.
pub const DISCONNECT_CAUSE: AvpName = AvpName::base(273);
/// Origin-State-Id.
pub const ORIGIN_STATE_ID: AvpName = AvpName::base(278);
/// Failed-AVP, a group.
pub const FAILED_AVP: AvpName = AvpName::base(279);
/// Error-Message.
pub const ERROR_MESSAGE: AvpName = AvpName::base(281);
/// Route-Record.
pub const ROUTE_RECORD: AvpName = AvpName::base(282);
/// Destination-Realm.
pub const DESTINATION_REALM: AvpName = AvpName::base(283);
/// Proxy-Info, a group that goes back as it came.
pub const PROXY_INFO: AvpName = AvpName::base(284);
/// Re-Auth-Request-Type.
pub const RE_AUTH_REQUEST_TYPE: AvpName = AvpName::base(285);
/// Destination-Host.
pub const DESTINATION_HOST: AvpName = AvpName::base(293);
/// Termination-Cause.
pub const TERMINATION_CAUSE: AvpName = AvpName::base(295);
/// Origin-Realm.
pub const ORIGIN_REALM: AvpName = AvpName::base(296);
/// Experimental-Result, a group.
pub const EXPERIMENTAL_RESULT: AvpName = AvpName::base(297);
/// Experimental-Result-Code.
pub const EXPERIMENTAL_RESULT_CODE: AvpName = AvpName::base(298);
/// CC-Request-Number.
pub const CC_REQUEST_NUMBER: AvpName = AvpName::base(415);
/// CC-Request-Type.
pub const CC_REQUEST_TYPE: AvpName = AvpName::base(416);
/// Subscription-Id, a group.
pub const SUBSCRIPTION_ID: AvpName = AvpName::base(443);
/// Subscription-Id-Data.
pub const SUBSCRIPTION_ID_DATA: AvpName = AvpName::base(444);
/// Subscription-Id-Type.
pub const SUBSCRIPTION_ID_TYPE: AvpName = AvpName::base(450);
/// Charging-Rule-Install, a group.
pub const CHARGING_RULE_INSTALL: AvpName = AvpName::of(vendor::TGPP, 1001);
/// Charging-Rule-Remove, a group.
pub const CHARGING_RULE_REMOVE: AvpName = AvpName::of(vendor::TGPP, 1002);
/// Charging-Rule-Definition, a group.
pub const CHARGING_RULE_DEFINITION: AvpName = AvpName::of(vendor::TGPP, 1003);
/// Charging-Rule-Base-Name.
pub const CHARGING_RULE_BASE_NAME: AvpName = AvpName::of(vendor::TGPP, 1004);
/// Charging-Rule-Name.
pub const CHARGING_RULE_NAME: AvpName = AvpName::of(vendor::TGPP, 1005);
/// IP-CAN-Type.
pub const IP_CAN_TYPE: AvpName = AvpName::of(vendor::TGPP, 1027);
/// Session-Release-Cause.
pub const SESSION_RELEASE_CAUSE: AvpName = AvpName::of(vendor::TGPP, 1045);
/// Gx-Capability-List, where Ericsson's gateways say what of Gx+ they understand.
pub const GX_CAPABILITY_LIST: AvpName = AvpName::of(vendor::ERICSSON, 1060);
/// SN-CF-Policy-ID, the profile of content filtering at Starent.
pub const SN_CF_POLICY_ID: AvpName = AvpName::of(vendor::STARENT, 529);
