//! The command line of `weir sessions`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with live sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum Sessions {
    /// Print all of them, one a line
    #[command(
        after_help = "Example:\n  weir sessions list --admin http://127.0.0.1:9090 --token-file \
                            admin.tokens\n  weir sessions list --admin http://127.0.0.1:9090 \
                            --token-file admin.tokens --client 10.1.2.3 --json\n\nPrints ranges, \
                            profile, who selected it, MSISDN, IMSI, access point name, NAS and id, \
                            separated by tabs, with - for what is not known."
    )]
    List(List),
    /// Print one
    #[command(
        after_help = "Example:\n  weir sessions get --admin http://127.0.0.1:9090 --token-file \
                            admin.tokens 10.1.2.3\n\nExits with 1 if there is none with exactly \
                            this range."
    )]
    Get(One),
    /// Say what one is; what is not given it has not
    #[command(
        after_help = "Example:\n  weir sessions put --admin http://127.0.0.1:9090 --token-file \
                            admin.tokens 10.1.2.3 --profile child --msisdn 111220000001\n  weir \
                            sessions put --admin http://127.0.0.1:9090 --token-file admin.tokens \
                            2001:db8:7::/64 --profile child\n\nPrints it as it is now."
    )]
    Put(Put),
    /// End one, whoever reported it
    #[command(
        after_help = "Example:\n  weir sessions delete --admin http://127.0.0.1:9090 --token-file \
                            admin.tokens 10.1.2.3\n\nExits with 1 if there is none with exactly \
                            this range."
    )]
    Delete(One),
}

/// The gateway to ask.
#[derive(Args, Clone, Debug)]
pub struct Endpoint {
    /// The `proxy.admin` address of the gateway, such as http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    pub admin: String,
    /// A file whose first token is sent, such as that of `sessions.admin.token_file`
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `sessions list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// Whom to ask.
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// Only the session that a request of this client has
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<IpAddr>,
}

/// Options of `sessions get` and `sessions delete`.
#[derive(Args, Clone, Debug)]
pub struct One {
    /// Whom to ask.
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// An address or a prefix of the session
    #[arg(value_name = "RANGE")]
    pub range: String,
}

/// Options of `sessions put`.
#[derive(Args, Clone, Debug)]
pub struct Put {
    /// Whom to ask, and which session.
    #[command(flatten)]
    pub one: One,
    /// A profile of the policy in force; without it the configuration selects
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The subscriber's number, up to 15 digits
    #[arg(long, value_name = "DIGITS")]
    pub msisdn: Option<String>,
    /// The subscriber's identity, up to 15 digits
    #[arg(long, value_name = "DIGITS")]
    pub imsi: Option<String>,
    /// The access point name
    #[arg(long, value_name = "NAME")]
    pub apn: Option<String>,
}
