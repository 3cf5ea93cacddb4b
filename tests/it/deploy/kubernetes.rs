//! The manifests: what they give the programs is what these need, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::program::write_files;

use super::path;

pub(super) const FILES: [&str; 2] = ["icap-server.yaml", "proxy.yaml"];

/// Each container, its user, and the capabilities that it has.
const CONTAINERS: [(&str, u64, &[&str]); 3] = [
    ("icap-server", 65532, &[]),
    ("proxy", 65532, &["NET_RAW"]),
    ("tproxy", 0, &["NET_ADMIN"]),
];

/// Returns the documents of a manifest.
pub(super) fn read(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(path("kubernetes").join(file)).unwrap();
    let documents = text.split("\n---\n");
    documents
        .map(|document| serde_yaml::from_str(document).unwrap())
        .collect()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|it| it["kind"] == kind);
    let only = found.next().unwrap();
    assert!(found.next().is_none(), "two of {kind}");
    only
}

/// Returns the pod of the one workload.
fn pod(documents: &[Value]) -> &Value {
    let workloads = ["Deployment", "DaemonSet"];
    let mut found = documents
        .iter()
        .filter(|it| workloads.iter().any(|kind| it["kind"] == *kind));
    &found.next().unwrap()["spec"]["template"]["spec"]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Writes the files that a pod sees as its configuration. A secret is a text.
pub(super) fn write_config(documents: &[Value], folder: &Path) {
    let config = &of_kind(documents, "ConfigMap")["data"];
    let mut volumes = list(&pod(documents)["volumes"]).iter();
    let sources = volumes.find_map(|volume| volume["projected"]["sources"].as_array());
    for source in sources.unwrap() {
        if source["secret"].is_object() {
            write_files(folder, &[("nas.secret", "a secret\n")]);
            continue;
        }
        let items = list(&source["configMap"]["items"]).iter();
        let items: Vec<(&str, &str)> = items
            .map(|item| {
                (
                    item["key"].as_str().unwrap(),
                    item["path"].as_str().unwrap(),
                )
            })
            .collect();
        let all = config.as_object().unwrap().keys();
        let all: Vec<(&str, &str)> = all.map(|key| (key.as_str(), key.as_str())).collect();
        for (key, to) in if items.is_empty() { all } else { items } {
            write_files(folder, &[(to, config[key].as_str().unwrap())]);
        }
    }
}

#[test]
fn containers_have_the_capabilities_that_they_need() {
    let mut seen = BTreeSet::new();
    for file in FILES {
        let documents = read(file);
        let pod = pod(&documents);
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        let containers = [list(&pod["initContainers"]), list(&pod["containers"])].concat();
        for container in containers {
            let name = container["name"].as_str().unwrap();
            let context = &container["securityContext"];
            let user = context["runAsUser"].as_u64();
            let user = user.or_else(|| pod["securityContext"]["runAsUser"].as_u64());
            let added = list(&context["capabilities"]["add"]).iter();
            let added: Vec<&str> = added.map(|it| it.as_str().unwrap()).collect();
            let expected = CONTAINERS.iter().find(|(it, ..)| *it == name).unwrap();
            assert_eq!((user, &added[..]), (Some(expected.1), expected.2), "{name}");
            assert_eq!(list(&context["capabilities"]["drop"]), ["ALL"], "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string());
            seen.insert(name.to_owned());
        }
    }
    assert_eq!(seen.len(), CONTAINERS.len());
}

#[test]
fn pods_have_longer_to_end_than_a_drain_takes() {
    // `drain_s` is 30 where a configuration does not say otherwise.
    for file in FILES {
        let documents = read(file);
        let config = of_kind(&documents, "ConfigMap")["data"]["weir.yaml"].as_str();
        assert!(!config.unwrap().contains("drain_s"), "{file}");
        let pod = pod(&documents);
        let pause = &pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > 30 + pause.as_u64().unwrap_or(0), "{file}: {grace}");
    }
}

#[test]
fn probes_ask_what_the_admin_endpoint_has() {
    for file in FILES {
        let documents = read(file);
        let container = &pod(&documents)["containers"][0];
        for (probe, page) in [
            ("startupProbe", "/ready"),
            ("readinessProbe", "/ready"),
            ("livenessProbe", "/live"),
        ] {
            let get = &container[probe]["httpGet"];
            assert_eq!(
                (&get["path"], &get["port"]),
                (&page.into(), &"admin".into())
            );
        }
        let mut ports = list(&container["ports"]).iter();
        let port = &ports.find(|it| it["name"] == "admin").unwrap()["containerPort"];
        let config = of_kind(&documents, "ConfigMap")["data"]["weir.yaml"].as_str();
        let mut lines = config.unwrap().lines();
        let admin = lines.find(|line| line.contains("admin: ")).unwrap();
        let admin = admin.trim_end_matches('"');
        assert!(admin.ends_with(&format!(":{port}")), "{file}: {admin}");
    }
}

#[test]
fn nodes_get_the_rules_of_deploy_nftables() {
    let documents = read("proxy.yaml");
    let rules = of_kind(&documents, "ConfigMap")["data"]["weir.nft"].as_str();
    let file = fs::read_to_string(path("nftables/weir.nft")).unwrap();
    assert_eq!(rules, Some(file.as_str()));
}

#[test]
fn what_selects_the_icap_servers_finds_them() {
    let documents = read("icap-server.yaml");
    let labels = &of_kind(&documents, "Deployment")["spec"]["template"]["metadata"]["labels"];
    for (kind, place) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        let selected = of_kind(&documents, kind).pointer(place).unwrap();
        for (label, value) in selected.as_object().unwrap() {
            assert_eq!(&labels[label], value, "{kind}");
        }
    }
    let target = &of_kind(&documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"];
    assert_eq!(
        target["name"],
        of_kind(&documents, "Deployment")["metadata"]["name"]
    );
}
