//! Every file is good to the program that reads it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tests::program::{run, weir, write_files};
use tests::{ToEnd as _, program_missing, tier_missing};

use super::{kubernetes, path};

/// The most that `systemd-analyze security` may find in a unit, in tenths.
const EXPOSURE_MAX: [(&str, u32); 3] = [
    ("weir-icap-server.service", 14),
    ("weir-proxy.service", 16),
    ("weir-tproxy.service", 25),
];

fn skip(program: &str) -> bool {
    tier_missing(program, program_missing(&[program]))
}

#[track_caller]
fn expect_good(command: &mut Command) -> Output {
    let output = command.to_end();
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}:\n{text}");
    output
}

#[track_caller]
fn check(folder: &Path, file: &str) {
    let output = run(folder, &["check", "--deny-warnings", file]);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{}:\n{text}", folder.display());
}

#[test]
fn every_configuration_is_good() {
    check(&path("compose/weir"), "icap-server.yaml");
    let folder = tempfile::tempdir().unwrap();
    let proxy = fs::read_to_string(path("compose/weir/proxy.yaml")).unwrap();
    let proxy = proxy.replace("/run/secrets/", "");
    let policy = fs::read_to_string(path("compose/weir/policy.yaml")).unwrap();
    let files = [
        ("proxy.yaml", proxy.as_str()),
        ("policy.yaml", &policy),
        ("nas", "a secret\n"),
        ("valkey-password", "a secret\n"),
    ];
    write_files(folder.path(), &files);
    check(folder.path(), "proxy.yaml");
    for file in kubernetes::FILES {
        let folder = tempfile::tempdir().unwrap();
        kubernetes::write_config(&kubernetes::read(file), folder.path());
        check(folder.path(), "weir.yaml");
    }
}

#[test]
fn haproxy_takes_its_file() {
    if skip("haproxy") {
        return;
    }
    let file = path("compose/haproxy.cfg");
    let output = expect_good(Command::new("haproxy").args(["-c", "-f"]).arg(file));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn nft_takes_the_rules() {
    if skip("nft") {
        return;
    }
    let rules = path("nftables/weir.nft");
    expect_good(Command::new("nft").args(["--check", "--file"]).arg(rules));
}

#[test]
fn systemd_takes_the_units_and_finds_little_exposed() {
    if skip("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (unit, most) in EXPOSURE_MAX {
        let text = fs::read_to_string(path("systemd").join(unit)).unwrap();
        // Installed programs are looked for; these are the same.
        let program = path("nftables/weir-tproxy").display().to_string();
        let text = text
            .replace("/usr/local/bin/weir", &weir().display().to_string())
            .replace("/usr/local/sbin/weir-tproxy", &program);
        write_files(folder.path(), &[(unit, &text)]);
        let file = folder.path().join(unit);
        let verify = ["verify", "--man=no", "--recursive-errors=no"];
        let output = expect_good(Command::new("systemd-analyze").args(verify).arg(&file));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains(unit), "{text}");
        let security = ["security", "--offline=true", "--no-pager"];
        let threshold = format!("--threshold={most}");
        let mut command = Command::new("systemd-analyze");
        expect_good(command.args(security).arg(threshold).arg(&file));
    }
}

#[test]
fn the_kubernetes_schemas_take_the_manifests() {
    if skip("kubernetes-validate") {
        return;
    }
    let files = kubernetes::FILES.map(|file| path("kubernetes").join(file));
    let output = expect_good(
        Command::new("kubernetes-validate")
            .arg("--strict")
            .args(&files),
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let documents = kubernetes::FILES.map(|file| kubernetes::read(file).len());
    let passed = text.matches(" passed for resource ").count();
    assert_eq!(passed, documents.iter().sum::<usize>(), "{text}");

    // A property that does not exist is found.
    let folder = tempfile::tempdir().unwrap();
    let wrong = fs::read_to_string(&files[0]).unwrap();
    let wrong = wrong.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem");
    write_files(folder.path(), &[("wrong.yaml", &wrong)]);
    let mut command = Command::new("kubernetes-validate");
    let output = command
        .arg("--strict")
        .arg(folder.path().join("wrong.yaml"));
    assert!(!output.to_end().status.success());
}

#[test]
fn hadolint_takes_the_containerfile() {
    if skip("hadolint") {
        return;
    }
    expect_good(Command::new("hadolint").arg(path("Containerfile")));
}

#[test]
fn the_build_of_the_image_gets_every_package() {
    let ignore = fs::read_to_string(path("Containerfile.dockerignore")).unwrap();
    let lines: Vec<&str> = ignore.lines().collect();
    assert_eq!(lines[0], "*");
    let manifest = fs::read_to_string(path("../Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = "));
    let members = members.unwrap().split('"').skip(1).step_by(2);
    for member in members.chain(["Cargo.toml", "Cargo.lock", "docs", "policies", "deploy"]) {
        let line = format!("!{}", member.trim_end_matches("/*"));
        assert!(lines.contains(&line.as_str()), "{line}");
    }
}
