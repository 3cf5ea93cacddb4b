//! What idle connections cost the real program: memory for each, and the wait of a new client.
//!
//! `cargo run --release -p tests --bin idle -- 10000`; for what it measures see benches/README.md.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that fails shall say so"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::gateway::metric;
use tests::lab::{self, Lab, ORIGIN};
use tests::program::{Program, weir};
use tests::{raise_descriptor_limit, tls, wait_for};

/// Idle connections, unless told otherwise.
const COUNT: usize = 10_000;

/// New clients whose wait is measured, before and with the idle ones.
const SAMPLES: usize = 200;

/// Descriptors of a process that are for nothing that is measured.
const SPARE_DESCRIPTORS: u64 = 1_000;

const POLICY: &str = "
profiles:
  all: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: all
";

const LIMITS: &str = "connections_per_client: 0, client_idle_s: 3600";

/// The connections of an origin.
type Parked = Arc<Mutex<Vec<TcpStream>>>;

/// A kind of idle connection: its name, the program's descriptors for each, how to open one.
type Kind<F> = (&'static str, u64, F);

/// Connects to the origin's HTTP or TLS port.
type OpenIn = fn(SocketAddr, SocketAddr) -> TcpStream;

/// One kind of idle connection, and how a new client is served beside them.
struct Scene<'a> {
    name: &'static str,
    program: &'a Program,
    /// Opens so many idle connections.
    open: &'a dyn Fn(usize) -> Vec<TcpStream>,
    /// Fetches a page over a new connection, so many times; returns how long each took.
    fetch: &'a dyn Fn(usize) -> Vec<Duration>,
    /// Returns how many connections the program has open.
    connections: &'a dyn Fn() -> u64,
    /// Descriptors of the program, and of this one, for each.
    descriptors: u64,
}

fn main() {
    let count = std::env::args().nth(1).map_or(COUNT, |count| {
        count.parse().expect("a number of connections")
    });
    raise_descriptor_limit();
    println!(
        "{:<26} {:>6} {:>9} {:>9} {:>9} {:>9}",
        "idle connections", "count", "base KiB", "each KiB", "p50 µs", "with them"
    );
    explicit(count);
    match lab::missing() {
        None => intercepted(count),
        Some(reason) => println!("no intercepted connections: {reason}"),
    }
}

fn explicit(count: usize) {
    let parked = Parked::default();
    let origin = park("127.0.0.1:0", &parked);
    let text = format!(
        "{}  ports: {{tls: [{}]}}\n  hosts: {{web.test: \"{origin}\"}}\n",
        config("explicit", "127.0.0.1:0"),
        origin.port()
    );
    let start = || {
        let mut program = begin(Command::new(weir()), &text);
        let address = program.address("explicit", 0);
        let admin = program.address("proxy_admin", 0);
        (program, address, admin)
    };
    let silent = |address| TcpStream::connect(address).unwrap();
    let kept = |address| {
        let mut client = Client::connect(address);
        assert_eq!(client.get("http://web.test/").status, 200);
        client.into_socket()
    };
    let tunnel = |address| {
        let mut client = Client::connect(address);
        client.send(format!(
            "CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n"
        ));
        assert_eq!(client.response_to("CONNECT").status, 200);
        speak_tls(&mut client);
        client.into_socket()
    };
    let kinds: [Kind<&dyn Fn(SocketAddr) -> TcpStream>; 3] = [
        ("explicit, nothing sent", 1, &silent),
        ("explicit, after a request", 2, &kept),
        ("explicit, TLS tunnel", 2, &tunnel),
    ];
    for (name, descriptors, open) in kinds {
        let (program, address, admin) = start();
        measure(
            &Scene {
                name,
                program: &program,
                open: &|count| (0..count).map(|_| open(address)).collect(),
                fetch: &|count| {
                    timed(count, || {
                        Client::connect(address).get("http://web.test/").status
                    })
                },
                connections: &|| metric(admin, "weir_connections_active"),
                descriptors,
            },
            count,
        );
        parked.lock().unwrap().clear();
    }
}

fn intercepted(count: usize) {
    let web: SocketAddr = format!("{}:80", ORIGIN[0]).parse().unwrap();
    let secure = SocketAddr::new(web.ip(), 443);
    let kinds: [Kind<OpenIn>; 2] = [
        ("intercepted, nothing sent", 1, |web, _| {
            TcpStream::connect(web).unwrap()
        }),
        ("intercepted, TLS passed", 2, |_, secure| {
            let mut client = Client::connect(secure);
            speak_tls(&mut client);
            client.into_socket()
        }),
    ];
    for (name, descriptors, open) in kinds {
        let (lab, parked) = (Lab::new(), Parked::default());
        lab.within(&lab.origin, || {
            park(&web.to_string(), &parked);
            park(&secure.to_string(), &parked);
        });
        let text = config("tproxy", "[::]:3129");
        let mut program = begin(lab.command(&lab.gateway, weir()), &text);
        let admin = lab.within(&lab.gateway, || program.address("proxy_admin", 0));
        lab.tproxy_to(3129);
        let get = || {
            let mut client = Client::connect(web);
            client.send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n");
            client.response().status
        };
        measure(
            &Scene {
                name,
                program: &program,
                open: &|count| {
                    lab.within(&lab.client, || {
                        (0..count).map(|_| open(web, secure)).collect()
                    })
                },
                fetch: &|count| lab.within(&lab.client, || timed(count, get)),
                connections: &|| {
                    lab.within(&lab.gateway, || metric(admin, "weir_connections_active"))
                },
                descriptors,
            },
            count,
        );
        parked.lock().unwrap().clear();
    }
}

fn measure(scene: &Scene<'_>, count: usize) {
    let room = descriptors_max().saturating_sub(SPARE_DESCRIPTORS) / scene.descriptors;
    let count = count.min(usize::try_from(room).unwrap_or(usize::MAX));
    let alone = median((scene.fetch)(SAMPLES));
    wait_for("no connection", || {
        ((scene.connections)() == 0).then_some(())
    });
    let before = scene.program.resident_kib();
    let idle = (scene.open)(count);
    let open = idle.len() as u64;
    wait_for("the idle connections", || {
        ((scene.connections)() >= open).then_some(())
    });
    // A worker that serves new clients has done what the idle ones wanted.
    let beside = median((scene.fetch)(SAMPLES));
    let grown = scene.program.resident_kib().saturating_sub(before);
    let tenths = grown * 10 / open;
    println!(
        "{:<26} {:>6} {:>9} {:>9} {:>9} {:>9}",
        scene.name,
        count,
        before,
        format!("{}.{}", tenths / 10, tenths % 10),
        alone.as_micros(),
        beside.as_micros(),
    );
    drop(idle);
}

fn config(mode: &str, address: &str) -> String {
    format!(
        "policy: policy.yaml\nproxy:\n  admin: 127.0.0.1:0\n  \
         listen: [{{mode: {mode}, address: \"{address}\"}}]\n  limits: {{{LIMITS}}}\n"
    )
}

fn begin(command: Command, config: &str) -> Program {
    let files = [("weir.yaml", config), ("policy.yaml", POLICY)];
    Program::start_by(command, &["proxy", "--config", "weir.yaml"], &files)
}

/// Starts an origin that answers the first bytes of a connection and keeps it in `parked`,
/// without a thread for each. What does not start like HTTP gets no answer.
fn park(address: &str, parked: &Parked) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let parked = Arc::clone(parked);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut bytes = [0; 16 * 1024];
            let len = socket.read(&mut bytes).unwrap_or_default();
            if bytes.get(..len).is_some_and(|it| it.starts_with(b"GET ")) {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
            parked.lock().unwrap().push(socket);
        }
    });
    address
}

fn speak_tls(client: &mut Client) {
    client.send(tls::records(&tls::hello(Some(b"web.test")), 16384));
}

fn timed(count: usize, fetch: impl Fn() -> u16) -> Vec<Duration> {
    let once = |_| {
        let start = Instant::now();
        assert_eq!(fetch(), 200);
        start.elapsed()
    };
    (0..count).map(once).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn descriptors_max() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
