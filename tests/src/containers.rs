//! The services of a compose file without a daemon for containers: each with the addresses, files,
//! user and capabilities that the file gives it, in namespaces for network and mounts.
//!
//! Nothing in the files is replaced but the words of `HERE`, and nothing is added but the lines of
//! `PATIENCE`. Needs root, as [`missing`] finds out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::network::Network;
use crate::program::{Program, weir, write_files};

/// Words of the file, and what the machine has in their place: it has no `/data`, and this is no
/// reason to give it one.
const HERE: [(&str, &str); 2] = [("valkey-server", "redis-server"), ("/data", "/srv/data")];

/// The waits of the proxies for others, which the file leaves as short as they are meant to be: a
/// machine that does much else beside takes as long for itself. A line goes behind another.
const PATIENCE: [(&str, &str); 2] = [
    ("  icap:\n", "    deadline_ms: 10000\n"),
    ("  redis:\n", "    timeout_ms: 5000\n"),
];

/// What the image `weir` starts, and where.
const WEIR: &str = "/usr/local/bin/weir";

/// Makes what a container sees: `/etc` and `/usr/local` of its own, its volumes, nothing to write
/// to; then becomes its program. Arguments: commands for its volumes, open files, the
/// user, the program.
const ENTER: &str = r#"
set -eu
cd /
mount -t tmpfs tmpfs /mnt
for folder in etc usr/local run srv; do
    name=$(echo $folder | tr / _)
    mkdir /mnt/$name /mnt/$name.work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/mnt/$name,workdir=/mnt/$name.work /$folder
done
volume() { # FROM TO
    mkdir -p "$(dirname "$2")"
    if [ -d "$1" ]; then mkdir -p "$2"; else : >"$2"; fi
    mount --bind "$1" "$2"
}
writable() { # TO
    mkdir -p /mnt/volume "$1"
    chown "$user" /mnt/volume
    mount --bind /mnt/volume "$1"
}
user=$3
eval "$1"
for folder in / /mnt /etc /usr/local /run /srv; do mount -o remount,bind,ro $folder; done
# The machine may allow less than the file.
ulimit -n "$2" 2>/dev/null || :
shift 3
exec setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
    --bounding-set -all --inh-caps -all --ambient-caps -all "$@"
"#;

/// A compose file, as far as it is about what runs.
#[derive(Debug, Deserialize)]
struct File {
    services: BTreeMap<String, Service>,
    networks: BTreeMap<String, Net>,
    #[serde(default)]
    secrets: BTreeMap<String, Secret>,
}

#[derive(Debug, Deserialize)]
struct Service {
    image: String,
    command: Vec<String>,
    user: String,
    read_only: bool,
    cap_drop: Vec<String>,
    security_opt: Vec<String>,
    ulimits: Limits,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    ports: Vec<String>,
    networks: BTreeMap<String, Attachment>,
}

#[derive(Debug, Deserialize)]
struct Limits {
    nofile: u32,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    ipv4_address: String,
}

#[derive(Debug, Deserialize)]
struct Net {
    #[serde(default)]
    internal: bool,
    ipam: Ipam,
}

#[derive(Debug, Deserialize)]
struct Ipam {
    config: Vec<Subnet>,
}

#[derive(Debug, Deserialize)]
struct Subnet {
    subnet: String,
}

#[derive(Debug, Deserialize)]
struct Secret {
    file: String,
}

/// The networks of a compose file, in which its services can be started.
#[derive(Debug)]
pub struct Containers {
    /// The namespaces of the services (hyphens are underscores), and beside them `host`, where the
    /// published ports are, and `client` and `origin`, whose routes lead there.
    pub network: Network,
    file: File,
    folder: TempDir,
    secrets: TempDir,
    hosts: String,
}

/// The address of the namespace `host` on the side of its clients.
pub const HOST: &str = "10.200.0.1";
/// The address of the namespace `origin`.
pub const ORIGIN: &str = "203.0.113.10";

/// Says why containers cannot run here, if they cannot.
pub fn missing() -> Option<String> {
    let overlay = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a /mnt/b && \
                   mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/a,workdir=/mnt/b /etc";
    crate::lab::missing().or_else(|| {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", overlay])
            .output()
            .expect("unshare runs");
        (!output.status.success()).then(|| {
            let why = String::from_utf8_lossy(&output.stderr);
            format!("no overlay in a namespace of mounts: {}", why.trim())
        })
    })
}

impl Containers {
    /// Makes the networks of a compose file. `names` lead to the origin, `secrets` (file, text) are
    /// those that the operator writes, and every address in 10.0.0.0/8 but those of 10.200.0.0/24 is
    /// a client's.
    ///
    /// # Panics
    ///
    /// Fails the test if the file is not as expected, or the system refuses.
    #[track_caller]
    pub fn new(path: &Path, names: &[&str], secrets: &[(&str, &str)]) -> Self {
        let text = std::fs::read_to_string(path).expect("a compose file");
        let file: File = serde_yaml::from_str(&text).expect("a compose file");
        let mut spaces: Vec<String> = file.services.keys().map(|name| space(name)).collect();
        spaces.extend(["host", "client", "origin"].map(str::to_owned));
        let spaces: Vec<&str> = spaces.iter().map(String::as_str).collect();
        let network = Network::new(&spaces);
        network.script(&wiring(&file));
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for name in names {
            let _ = writeln!(hosts, "{ORIGIN} {name}");
        }
        let written = tempfile::tempdir().expect("a directory");
        write_files(written.path(), secrets);
        Self {
            network,
            file,
            folder: patient_copy(path.parent().expect("a file in a folder")),
            secrets: written,
            hosts,
        }
    }

    /// Returns the names of the services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.file.services.keys().map(String::as_str)
    }

    /// Starts a service.
    ///
    /// # Panics
    ///
    /// Fails the test if the file gives it more than it needs.
    #[track_caller]
    pub fn start(&self, name: &str) -> Program {
        let service = &self.file.services[name];
        assert!(service.read_only, "{name}");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        let words = service.command.iter().map(|word| here(word));
        let image = (service.image == "weir").then_some(WEIR);
        let program: Vec<&str> = image.into_iter().chain(words).collect();
        let mut command: Command = self.network.command(&space(name), "sh");
        let descriptors = service.ulimits.nofile.to_string();
        command.args(["-c", ENTER, "sh", &self.volumes(service)]);
        command.args([&descriptors, &service.user]);
        Program::start_by(command, &program, &[])
    }

    /// Returns shell commands that show a service its files.
    fn volumes(&self, service: &Service) -> String {
        let mut commands = format!(
            "printf %s '{}' >/etc/hosts\nvolume '{}' {WEIR}\n",
            self.hosts,
            weir().display()
        );
        for volume in &service.volumes {
            let parts: Vec<&str> = volume.split(':').collect();
            let _ = match parts[..] {
                [from, to, "ro"] => {
                    let from = self.folder.path().join(from);
                    writeln!(commands, "volume '{}' '{to}'", from.display())
                }
                [_, to] => writeln!(commands, "writable '{}'", here(to)),
                _ => panic!("`{volume}` is neither FROM:TO:ro nor NAME:TO"),
            };
        }
        for secret in &service.secrets {
            let from = self.secrets.path().join(&self.file.secrets[secret].file);
            let _ = writeln!(
                commands,
                "volume '{}' '/run/secrets/{secret}'",
                from.display()
            );
        }
        commands
    }
}

/// Copies a folder with the lines of [`PATIENCE`].
fn patient_copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    let copied = Command::new("cp")
        .args(["--recursive", "--no-target-directory"])
        .args([folder, copy.path()])
        .status();
    assert!(copied.expect("cp runs").success(), "{}", folder.display());
    let proxy = copy.path().join("weir/proxy.yaml");
    let mut text = std::fs::read_to_string(&proxy).expect("the file of the proxies");
    for (line, more) in PATIENCE {
        assert_eq!(text.matches(line).count(), 1, "{line:?} in {text}");
        text = text.replace(line, &format!("{line}{more}"));
    }
    std::fs::write(proxy, text).expect("a file of our own");
    copy
}

fn here(word: &str) -> &str {
    HERE.iter()
        .find(|(it, _)| *it == word)
        .map_or(word, |(_, here)| here)
}

fn space(service: &str) -> String {
    service.replace('-', "_")
}

/// Returns the script that joins the namespaces as the file says.
fn wiring(file: &File) -> String {
    let mut script = format!(
        "link $client host 10.200.0.2/24 $host clients {HOST}/24
        link $origin host {ORIGIN}/24 $host origins 203.0.113.1/24
        ip -n $client route add default via {HOST}
        ip -n $client route add local 10.0.0.0/8 dev lo
        ip -n $host route add 10.0.0.0/8 via 10.200.0.2
        ip -n $origin route add default via 203.0.113.1
        ip netns exec $host nft 'table ip published {{ chain pre {{ type nat hook prerouting priority dstnat; }}; }}'
        "
    );
    for (name, net) in &file.networks {
        let subnet = &net.ipam.config[0].subnet;
        let _ = writeln!(
            script,
            "ip -n $host link add {name} type bridge; ip -n $host addr add {}/24 dev {name}
            ip -n $host link set {name} up",
            gateway(subnet)
        );
    }
    for (name, service) in &file.services {
        let space = space(name);
        for (nth, (net, attachment)) in service.networks.iter().enumerate() {
            let address = &attachment.ipv4_address;
            let _ = writeln!(
                script,
                "ip link add {net} netns ${space} type veth peer name {space}{nth} netns $host
                ip -n ${space} addr add {address}/24 dev {net}; ip -n ${space} link set {net} up
                ip -n $host link set {space}{nth} master {net} up"
            );
            let net = &file.networks[net];
            if !net.internal {
                let gateway = gateway(&net.ipam.config[0].subnet);
                let _ = writeln!(script, "ip -n ${space} route add default via {gateway}");
                for port in &service.ports {
                    let (port, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                    let (outside, inside) = port.split_once(':').expect("OUTSIDE:INSIDE");
                    let _ = writeln!(
                        script,
                        "ip netns exec $host nft 'add rule ip published pre ip daddr {HOST} {protocol} dport {outside} \
                         dnat to {address}:{inside}'"
                    );
                }
            }
        }
    }
    script
}

/// Returns the first address of a network, such as 172.30.0.0/24.
fn gateway(subnet: &str) -> String {
    let network = subnet.strip_suffix(".0/24").expect("a network of 24 bits");
    format!("{network}.1")
}
