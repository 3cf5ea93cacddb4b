//! The privileges that units and manifests give are enough, and less is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::network::Network;
use tests::program::{Program, weir, write_files};
use tests::{ToEnd as _, lab, program_missing, tier_missing};

use super::path;

const CONFIG: &str = "
policy: policy.yaml
proxy: {listen: [{mode: tproxy, address: \"[::]:3129\"}], upstream_source: client, workers: 1}
";

const POLICY: &str = "
profiles:
  a: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: a
";

fn skip() -> bool {
    let programs = program_missing(&["setcap"]);
    tier_missing("transparent", lab::missing()) || tier_missing("capabilities", programs)
}

/// Returns the two copies of the program that the image has, in a folder that every user may enter.
fn image(folder: &Path) -> [PathBuf; 2] {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copies = ["weir", "weir-tproxy"].map(|name| folder.join(name));
    for copy in &copies {
        fs::copy(weir(), copy).unwrap();
    }
    let line = fs::read_to_string(path("Containerfile")).unwrap();
    let capability = line.split_once("&& setcap ").unwrap().1;
    let (capability, rest) = capability.split_once(' ').unwrap();
    assert!(rest.starts_with("/usr/local/bin/weir-tproxy "), "{rest}");
    let mut setcap = Command::new("setcap");
    let set = setcap.arg(capability).arg(&copies[1]).status().unwrap();
    assert!(set.success(), "setcap {capability}");
    copies
}

/// A command in a namespace as the user and with the capabilities of a container that allows no
/// escalation. Like a runtime for containers, `setpriv` still has the capability when it becomes the
/// program: a file can give what is had, and nothing else.
fn contained(network: &Network, user: u32, bounding: &str) -> Command {
    let mut command = network.command("gateway", "setpriv");
    let user = user.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command.args(["--inh-caps", "-all", "--ambient-caps", "-all"]);
    command.args(["--bounding-set", bounding, "--no-new-privs"]);
    command
}

#[test]
fn the_proxys_container_may_intercept_with_net_raw_from_its_file() {
    if skip() {
        return;
    }
    let network = Network::new(&["gateway"]);
    let image_dir = tempfile::tempdir().unwrap();
    let [plain, capable] = image(image_dir.path());
    let files = image_dir.path().join("etc");
    write_files(&files, &[("weir.yaml", CONFIG), ("policy.yaml", POLICY)]);
    let config = files.join("weir.yaml");
    let arguments = ["proxy", "--config", config.to_str().unwrap()];

    let begin = |program: &Path, bounding: &str| {
        let mut command = contained(&network, 65532, bounding);
        command.arg(program);
        Program::start_by(command, &arguments, &[])
    };
    let mut program = begin(&capable, "-all,+net_raw");
    program.wait_for_line(&["\"listener\":\"tproxy\""]);
    assert_eq!(program.stop(), 0);
    for (program, bounding) in [(&plain, "-all,+net_raw"), (&capable, "-all")] {
        assert_ne!(
            begin(program, bounding).stop_status(),
            0,
            "{program:?} {bounding}"
        );
    }
    // The other copy needs nothing at all.
    let mut command = contained(&network, 65532, "-all");
    let output = command.arg(&plain).arg("--version").to_end();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_rules_need_net_admin_alone_and_may_be_loaded_again() {
    if skip() {
        return;
    }
    let network = Network::new(&["gateway"]);
    let rules = path("nftables/weir.nft");
    let weir_tproxy = |bounding: &str, arguments: &[&str]| -> Output {
        let mut command = contained(&network, 0, bounding);
        command.arg(path("nftables/weir-tproxy")).args(arguments);
        command.to_end()
    };
    let shown = |arguments: &[&str]| -> String {
        let mut command = network.command("gateway", arguments[0]);
        let output = command.args(&arguments[1..]).to_end();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let up = ["up", rules.to_str().unwrap()];
    let without = weir_tproxy("-all", &up);
    assert!(!without.status.success(), "{without:?}");
    for _ in 0..2 {
        let output = weir_tproxy("-all,+net_admin", &up);
        assert!(output.status.success(), "{output:?}");
        for family in ["-4", "-6"] {
            let routes = shown(&["ip", family, "rule"]);
            assert_eq!(
                routes.matches("fwmark 0x1 lookup 100").count(),
                1,
                "{routes}"
            );
            let routes = shown(&["ip", family, "route", "show", "table", "100"]);
            assert!(routes.starts_with("local default dev lo"), "{routes}");
        }
        let table = shown(&["nft", "list", "table", "inet", "weir"]);
        assert_eq!(table.matches("tproxy to :3129").count(), 1, "{table}");
    }
    let output = weir_tproxy("-all,+net_admin", &["down"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(shown(&["nft", "list", "tables"]), "");
    assert!(!shown(&["ip", "rule"]).contains("fwmark"));
    assert_eq!(weir_tproxy("-all", &[]).status.code(), Some(64));
}
