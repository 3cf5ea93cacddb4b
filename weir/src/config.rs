//! The configuration of the whole program, checked and ready to use. [`mod@file`] holds it as written.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::written::{FILE_LEN_MAX, Placed, Remarks, Written, quote};
use policy::{Diagnostic, Place, PolicySet};
use sessions::Directory;

use crate::files::{Files, beside};
use crate::load;

pub mod file;

pub use file::Live;

/// Everything that a configuration file says, and what the files say that it names. The category
/// lists are not read yet.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absent: the file is for an ICAP server only.
    pub proxy: Option<proxy::config::Config>,
    /// Names that lead to an address without DNS.
    pub static_hosts: BTreeMap<String, SocketAddr>,
    /// Absent: the file is for a proxy only.
    pub icap_server: Option<IcapServer>,
    /// Sockets of the ICAP server as configured, whether or not it is this process that runs it.
    pub icap_sockets: Vec<SocketAddr>,
    /// Absent: the file is for an ICAP server that only answers with categories.
    pub policy: Option<Arc<PolicySet>>,
    /// Who is behind an address.
    pub sessions: Directory,
    /// What the network reports of it; absent: that is not taken.
    pub live: Option<Live>,
    /// Differs when the text of the file, of the policy or of a list does.
    pub tag: String,
}

/// The ICAP server with its categories.
#[derive(Clone, Debug)]
pub struct IcapServer {
    /// What the server itself is told.
    pub config: icap_server::config::Config,
    /// Where the categories come from.
    pub categories: icap_server::config::Categories,
    /// A file of overrides, and where the configuration file names it.
    pub overrides: Option<(PathBuf, Place)>,
}

/// A configuration that can be used, with what its author should know.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Ready to start with.
    pub config: Config,
    /// Warnings about the file and those it names.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a configuration file and the policy it names.
///
/// # Errors
///
/// Fails with everything that is wrong.
pub fn load(files: Files, path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let text = load::text(files, path).map_err(|remark| vec![remark])?;
    let file: file::File = policy::written::read(&name, &text).map_err(|remark| vec![remark])?;
    let mut reader = Reader {
        files,
        path,
        remarks: Remarks::new(&name),
        digest: RefCell::default(),
    };
    reader.digest(&text);
    let policy = file
        .policy
        .as_ref()
        .and_then(|policy| reader.policy(policy));
    let config = reader.resolve(file, policy);
    let usable = reader.remarks.usable();
    let list = reader.remarks.into_list();
    match usable {
        true => Ok(Loaded {
            config,
            warnings: list,
        }),
        false => Err(list),
    }
}

impl Loaded {
    /// Says that a command needs a section that the file does not have.
    #[must_use]
    pub fn lacks(path: &Path, section: &str) -> Diagnostic {
        let command = section.replace('_', "-");
        load::error(
            path,
            None,
            format!("the key `{section}` is missing; `weir {command}` needs it"),
        )
    }
}

/// Returns where an ICAP server is told to listen.
fn sockets(server: &IcapServer) -> Vec<SocketAddr> {
    let config = &server.config;
    let listen = config.listen.iter();
    let addresses = listen.filter_map(icap_server::config::Listen::address);
    addresses.chain(config.admin).collect()
}

/// One reading of a configuration file.
struct Reader<'a> {
    files: Files,
    path: &'a Path,
    remarks: Remarks,
    digest: RefCell<blake3::Hasher>,
}

impl Reader<'_> {
    fn resolve(&mut self, file: file::File, policy: Option<Arc<PolicySet>>) -> Config {
        let remarks = &mut self.remarks;
        if file.proxy.is_none() && file.icap_server.is_none() {
            let start = Place { line: 1, column: 1 };
            remarks.error(
                start,
                "neither `proxy` nor `icap_server` is here; add one of them",
            );
        }
        if let (Some(Placed { place, .. }), None) = (&file.proxy, &file.policy) {
            let text = "the proxy decides by a policy; name its file with the key `policy`";
            remarks.error(*place, text);
        }
        let written = file.sessions.unwrap_or_default();
        let live = written.resolve_live((self.files, self.path), policy.as_deref(), remarks);
        let sessions = written.resolve(policy.as_deref(), remarks);
        let mut static_hosts = BTreeMap::new();
        let proxy = file.proxy.map(|Placed { value, place }| {
            static_hosts = value.static_hosts(remarks);
            let asks = value.asks_categorizer();
            if let (false, Some(policy)) = (asks, &policy) {
                forbid_icap(policy, place, remarks);
            }
            value.into_config(folder(self.path), cores(), remarks)
        });
        let icap_server = file.icap_server.map(|Placed { value, .. }| {
            let Placed {
                value: entry,
                place,
            } = &value.categories;
            let categories = entry.resolve(*place, folder(self.path), remarks);
            if let Some(key) = entry.minisign_key() {
                check_key(key, remarks);
            }
            let overrides = value.overrides.as_ref();
            let overrides = overrides.map(|it| (beside(self.path, &it.text), it.place));
            Some(IcapServer {
                overrides,
                config: value.into_config(folder(self.path), remarks)?,
                categories,
            })
        });
        let (proxy, icap_server) = (proxy.flatten(), icap_server.flatten());
        let admin = proxy.as_ref().and_then(|it| it.admin);
        let admin = admin.or_else(|| icap_server.as_ref()?.config.admin);
        if let (Some(place), None, true) = (written.admin_place(), admin, self.remarks.usable()) {
            let text = "`sessions.admin` has no endpoint; add `proxy.admin` with its address";
            self.remarks.error(place, text);
        }
        // A part that is wrong is left out here, and keeps the rest from being used.
        Config {
            proxy,
            static_hosts,
            icap_sockets: icap_server.as_ref().map_or_else(Vec::new, sockets),
            icap_server,
            policy,
            sessions,
            live,
            tag: self.digest.borrow().finalize().to_hex().to_string(),
        }
    }

    fn policy(&mut self, written: &Written) -> Option<Arc<PolicySet>> {
        let path = beside(self.path, &written.text);
        let text = match self.files.text(&path, FILE_LEN_MAX) {
            Ok(text) => text,
            Err(wrong) => {
                let text = format!("cannot read the policy file `{}`: {wrong}", path.display());
                self.remarks.error(written.place, text);
                return None;
            }
        };
        self.digest(&text);
        let list = |name: &str| {
            let text = self
                .files
                .text(&beside(&path, name), policy::LIST_LEN_MAX)?;
            self.digest(&text);
            Ok(text)
        };
        match policy::compile(&path.display().to_string(), &text, &list) {
            Ok(compiled) => {
                self.remarks.extend(compiled.warnings);
                Some(Arc::new(compiled.set))
            }
            Err(list) => {
                self.remarks.extend(list);
                None
            }
        }
    }

    /// The length keeps `ab`, `c` and `a`, `bc` apart.
    fn digest(&self, text: &str) {
        let mut digest = self.digest.borrow_mut();
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    }
}

/// A profile that asks the categorizer needs one to ask.
fn forbid_icap(policy: &PolicySet, place: Place, remarks: &mut Remarks) {
    for profile in policy.profiles().iter().filter(|profile| profile.icap) {
        let text = format!(
            "the profile `{}` says `icap: true` and there is no `icap` here; add `icap` with its \
             `services`, or say `icap: false`",
            profile.name
        );
        remarks.error(place, text);
    }
}

/// The key is kept as text, which is what a state file compares it with.
fn check_key(key: &Written, remarks: &mut Remarks) {
    if minisign_verify::PublicKey::from_base64(&key.text).is_err() {
        let text = format!(
            "`{}` is not a public key of minisign; use the second line of its file, which begins with `RW`",
            quote(&key.text)
        );
        remarks.error(key.place, text);
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new(""))
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests;
