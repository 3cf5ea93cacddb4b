//! Transparent interception in network namespaces: TPROXY and REDIRECT, IPv4 and IPv6.

use tests::ToEnd as _;
use tests::lab::{self, CLIENT, GATEWAY, GATEWAY_OUTSIDE, Lab, ORIGIN};
use tests::program::{Program, weir};

const POLICY: &str = r#"
lists:
  banned: [blocked.test]
  moved: [moved.test]
profiles:
  child:
    block_list: [banned]
    redirect_list: [{to: "http://notice.test/?uri=%U", lists: [moved]}]
    default_action: pass
    unknown_action: pass
    error_action: block
    undecidable_action: block
    block_response: forbidden
default_profile: child
"#;

/// An origin in plain Python, as namespaces are entered by whole processes: it says whom it sees.
const ORIGIN_PY: &str = r#"
import http.server, socket, socketserver, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ("peer=%s host=%s path=%s\n" % (self.client_address[0], self.headers.get("Host"), self.path)).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments): pass
class Origin(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True; request_queue_size = 512; allow_reuse_address = True
    def server_bind(self):
        socketserver.TCPServer.server_bind(self); self.server_name, self.server_port = "lab", 0
    def handle_error(self, *arguments): pass
class Origin6(Origin): address_family = socket.AF_INET6
for kind, address in ((Origin, sys.argv[1]), (Origin6, sys.argv[2])):
    for port in (80, 443, 8000, 8080):
        origin = kind((address, port), Handler)
        if port == 443:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); tls.load_cert_chain("crt", "key")
            origin.socket = tls.wrap_socket(origin.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=origin.serve_forever, daemon=True).start()
print("ready", flush=True); threading.Event().wait()
"#;

pub(crate) struct Set {
    lab: Lab,
    origin: Program,
    pub(crate) proxy: Program,
}

/// Starts the origin and the proxy in a lab of their own.
fn start(mode: &str, port: u16, lines: &str) -> Set {
    start_with(POLICY, mode, port, lines)
}

/// Does so with a policy of the caller's.
pub(crate) fn start_with(policy: &str, mode: &str, port: u16, lines: &str) -> Set {
    let lab = Lab::new();
    let key = rcgen::generate_simple_self_signed(vec!["allowed.test".to_owned()]).unwrap();
    let files = [
        ("origin.py", ORIGIN_PY.to_owned()),
        ("crt", key.cert.pem()),
        ("key", key.signing_key.serialize_pem()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let python = lab.command(&lab.origin, "/usr/bin/python3");
    let origin = Program::start_by(python, &["origin.py", ORIGIN[0], ORIGIN[1]], &files);
    origin.wait_for_line(&["ready"]);

    let config = format!(
        "policy: policy.yaml\nproxy:\n  listen: [{{mode: {mode}, address: \"[::]:{port}\"}}]\n  \
         workers: 2\n  access_log: {{path: \"-\"}}\n{lines}"
    );
    let files = [("weir.yaml", config.as_str()), ("policy.yaml", policy)];
    let mut command = lab.command(&lab.gateway, "setpriv");
    // The capability that interception needs, and no other.
    let drop_all = if mode == "tproxy" {
        "-all,+net_raw"
    } else {
        "-all"
    };
    command.args([
        &format!("--bounding-set={drop_all}"),
        &format!("--inh-caps={drop_all}"),
        &format!("--ambient-caps={drop_all}"),
    ]);
    command.arg(weir());
    let proxy = Program::start_by(command, &["proxy", "--config", "weir.yaml"], &files);
    proxy.wait_for_line(&[&format!("\"listener\":\"{mode}\"")]);
    match mode {
        "tproxy" => lab.tproxy_to(port),
        _ => lab.redirect_to(port),
    }
    Set { lab, origin, proxy }
}

/// Skips with a printed reason where namespaces are not to be had.
pub(crate) fn skip() -> bool {
    tests::tier_missing("transparent", lab::missing())
}

/// Fetches a URL of a name from the origin's address of one family, and returns what curl printed.
pub(crate) fn fetch(set: &Set, family: usize, scheme: &str, name: &str, path: &str) -> String {
    let port = if scheme == "http" { 80 } else { 443 };
    let address = if family == 0 {
        ORIGIN[0].to_owned()
    } else {
        format!("[{}]", ORIGIN[1])
    };
    let resolve = format!("{name}:{port}:{address}");
    let output = set.lab.curl(&[
        "--insecure",
        "--resolve",
        &resolve,
        "--write-out",
        "%{http_code} %{redirect_url}",
        &format!("{scheme}://{name}{path}"),
    ]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn intercepts(mode: &str, lines: &str, seen: [&str; 2]) {
    let set = start(mode, 15080, lines);
    for family in [0, 1] {
        let expected = format!("peer={} host=allowed.test path=/a\n200 ", seen[family]);
        assert_eq!(fetch(&set, family, "http", "allowed.test", "/a"), expected);
        assert_eq!(fetch(&set, family, "https", "allowed.test", "/a"), expected);
        let blocked = fetch(&set, family, "http", "blocked.test", "/");
        assert!(blocked.ends_with("403 "), "{blocked}");
        assert_eq!(fetch(&set, family, "https", "blocked.test", "/"), "000 ");
        let moved = fetch(&set, family, "http", "moved.test", "/x");
        let expected = "302 http://notice.test/?uri=http%3A%2F%2Fmoved.test%2Fx";
        assert!(moved.ends_with(expected), "{moved}");
        assert_eq!(fetch(&set, family, "https", "moved.test", "/x"), "000 ");
        let destination = if family == 0 {
            "10.71.2.2:443"
        } else {
            "[fd71:2::2]:443"
        };
        set.proxy
            .wait_for_line(&["blocked.test", CLIENT[family], destination]);
    }
    drop(set.origin);
}

#[test]
fn tproxy_shows_the_origin_the_client() {
    if !skip() {
        intercepts("tproxy", "  upstream_source: client\n", CLIENT);
    }
}

#[test]
fn tproxy_with_the_gateways_own_address() {
    if !skip() {
        intercepts("tproxy", "", GATEWAY_OUTSIDE);
    }
}

#[test]
fn redirect_needs_no_capability() {
    if !skip() {
        intercepts("redirect", "", GATEWAY_OUTSIDE);
    }
}

#[test]
fn tls_filtering_off_passes_every_name_and_no_http() {
    if skip() {
        return;
    }
    let set = start("redirect", 15080, "  tls_filtering: false\n");
    let passed = fetch(&set, 0, "https", "blocked.test", "/a");
    assert!(passed.ends_with("path=/a\n200 "), "{passed}");
    set.proxy
        .wait_for_line(&["\"unfiltered\"", "10.71.2.2:443"]);
    let blocked = fetch(&set, 0, "http", "blocked.test", "/");
    assert!(blocked.ends_with("403 "), "{blocked}");
    drop(set.origin);
}

#[test]
fn s4_2_1_port_8080_is_filtered_and_ports_in_no_list_pass() {
    if skip() {
        return;
    }
    let set = start("redirect", 15080, "");
    set.lab.nft(
        "table inet more { chain pre { type nat hook prerouting priority dstnat - 1; \
         iifname \"g0\" tcp dport { 8000, 8080 } redirect to :15080; }; }\n",
    );
    for (port, expected) in [(8000, "path=/ 200"), (8080, " 403")] {
        let resolve = format!("blocked.test:{port}:{}", ORIGIN[0]);
        let uri = format!("http://blocked.test:{port}/");
        let output = set
            .lab
            .curl(&["--write-out", " %{http_code}", "--resolve", &resolve, &uri]);
        let text = String::from_utf8_lossy(&output.stdout).replace('\n', "");
        assert!(text.ends_with(expected), "{port}: {text}");
    }
    set.proxy
        .wait_for_line(&["\"unfiltered\"", "10.71.2.2:8000"]);
    drop(set.origin);
}

#[test]
fn s4_2_bypass_addresses_are_those_the_client_dialled() {
    if skip() {
        return;
    }
    let set = start("redirect", 15080, "");
    let policy = format!("{POLICY}bypass: [\"{}/32\"]\n", ORIGIN[0]);
    set.proxy.write("policy.yaml", &policy);
    set.proxy.signal("HUP");
    tests::wait_for("the bypass of the first family", || {
        let got = fetch(&set, 0, "http", "blocked.test", "/a");
        got.ends_with("path=/a\n200 ").then_some(())
    });
    let tls = fetch(&set, 0, "https", "blocked.test", "/a");
    assert!(tls.ends_with("path=/a\n200 "), "{tls}");
    for scheme in ["http", "https"] {
        let other = fetch(&set, 1, scheme, "blocked.test", "/a");
        assert!(!other.contains("200"), "{scheme}: {other}");
    }
    set.proxy.wait_for_line(&["\"bypass\"", "10.71.2.2:443"]);
    drop(set.origin);
}

#[test]
fn a_listener_addressed_directly_refuses() {
    if skip() {
        return;
    }
    for mode in ["tproxy", "redirect"] {
        let set = start(mode, 15080, "");
        for address in [GATEWAY[0].to_owned(), format!("[{}]", GATEWAY[1])] {
            let output = set.lab.curl(&[
                "--write-out",
                "%{http_code}",
                &format!("http://{address}:15080/"),
            ]);
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                "000",
                "{mode} {address}"
            );
        }
        drop(set.proxy);
    }
}

#[test]
fn many_connections_at_once_all_pass() {
    if skip() {
        return;
    }
    let set = start("tproxy", 15080, "  upstream_source: client\n");
    let script = format!(
        "seq 100 | xargs -P 20 -I{{}} curl -sk --max-time 20 --resolve allowed.test:443:{} https://allowed.test/{{}}",
        ORIGIN[0]
    );
    let output = set
        .lab
        .command(&set.lab.client, "sh")
        .args(["-c", &script])
        .to_end();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text.matches(&format!("peer={} ", CLIENT[0])).count(),
        100,
        "{text}"
    );
}
