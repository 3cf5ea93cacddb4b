//! The ICAP server and c-icap under the same load, in turn, on one machine: what `cargo xtask
//! icap-load` measures and writes to `benches/ICAP-LOAD.md`.
//!
//! The load is a closed loop: one thread, keep-alive connections with one request under way on
//! each. What it asks is what Squid asks for a GET. CPU time is the server's own, from `/proc`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::process::setpriority_process;

use self::cost::Processes;
use self::floor::Floor;
use self::generator::{Load, Measured};
use self::names::Names;
use self::question::Kind;
use crate::icap_server::{self, IcapServer};
use crate::peers::{self, Peer};

mod answer;
mod cost;
mod floor;
mod generator;
mod names;
mod page;
mod question;

/// Connections of the rounds.
const CONNECTIONS: [usize; 4] = [1, 4, 16, 64];

/// Rounds, unless told otherwise.
const ROUNDS: usize = 5;

/// How long each server is measured in a round, for each number of connections.
const MEASURED: Duration = Duration::from_secs(2);

/// How long it is under the same load before.
const WARM_UP: Duration = Duration::from_millis(300);

/// Bytes of a body that is to come back.
const COPY_LEN: usize = 10 * 1024 * 1024;

/// Bodies that come back before memory is looked at first, and between two looks.
const COPIES: u64 = 200;

/// Connections on which they do.
const COPY_CONNECTIONS: usize = 4;

/// Threads of c-icap: more than there are connections.
const C_ICAP_THREADS: usize = 100;

/// Nice value of the servers and of the load.
const PRIORITY: i32 = -10;

/// The names in the tables: the server whose one worker leaves a core to the load, and what it is
/// compared with.
const ONE_WORKER: &str = "weir, 1 worker";
const PEER: &str = "c-icap";
const FLOOR: &str = "floor";

const POLICY: &str = "
profiles:
  all: {default_action: pass, unknown_action: pass, error_action: pass, undecidable_action: pass}
default_profile: all
";

/// A server to be measured.
struct Contender {
    name: &'static str,
    address: SocketAddr,
    /// The service that looks up categories.
    categorizer: &'static str,
    /// The service that sends bodies back, if there is one.
    echo: Option<&'static str>,
    processes: Processes,
}

/// Memory over copies of bodies, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copies {
    /// Once it has served everything else.
    before: u64,
    /// After so many copies, and after twice as many.
    after: [u64; 2],
    /// Copies in a second.
    per_second: f64,
    cpu: Duration,
}

/// Everything measured of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    name: &'static str,
    /// Memory before any load and after all rounds, in KiB.
    resident: [u64; 2],
    /// By number of connections, then by round.
    rounds: Vec<Vec<Measured>>,
    copies: Option<Copies>,
}

/// Measures, prints and writes the page; or is the floor that it measures.
///
/// # Errors
///
/// Fails if an argument is not known, a program is missing, or a server answers wrongly.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let mut rounds = ROUNDS;
    while let Some(argument) = arguments.next() {
        if argument == floor::ARGUMENT {
            return floor::serve().map_err(|error| format!("the floor ended: {error}"));
        }
        let value = arguments.next().and_then(|value| value.parse().ok());
        rounds = match (argument.as_str(), value) {
            ("--rounds", Some(value @ 1..=1000)) => value,
            _ => return Err(format!("`{argument}` is not known here; use `--rounds N`")),
        };
    }
    if cfg!(debug_assertions) {
        return Err("this build is not optimised; use `cargo xtask icap-load`".to_owned());
    }
    if let Some(missing) = crate::program_missing(&["c-icap", "unshare"]) {
        return Err(missing);
    }
    // Others' work on the machine shall disturb all alike, and little.
    if let Err(error) = setpriority_process(None, PRIORITY) {
        return Err(format!("no higher priority: {error}; run as root"));
    }
    let names = Names::new();
    let (all_cores, one_worker) = (start_weir(&names, ""), start_weir(&names, "workers: 1"));
    let (floor, c_icap) = (Floor::start()?, start_c_icap(&names));
    let weir = |name, server: &IcapServer| Contender {
        name,
        address: server.address,
        categorizer: "categorize",
        echo: Some("categorize"),
        processes: Processes::of(server.program.id()),
    };
    let contenders = [
        weir(ONE_WORKER, &one_worker),
        weir("weir", &all_cores),
        Contender {
            name: PEER,
            address: c_icap.address,
            categorizer: "url_check",
            echo: Some("echo"),
            processes: Processes::of(c_icap.id()),
        },
        Contender {
            name: FLOOR,
            address: floor.address,
            categorizer: "categorize",
            echo: None,
            processes: Processes::of(floor.id()),
        },
    ];
    let figures = measure(&contenders, &names, rounds)?;
    let text = page::write(&figures, rounds);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/ICAP-LOAD.md");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn measure(contenders: &[Contender], names: &Names, rounds: usize) -> Result<Vec<Figures>, String> {
    let fresh = |contender: &Contender| Figures {
        name: contender.name,
        resident: [contender.processes.resident_kib(); 2],
        rounds: vec![Vec::new(); CONNECTIONS.len()],
        copies: None,
    };
    let mut figures: Vec<Figures> = contenders.iter().map(fresh).collect();
    for round in 0..rounds {
        for (nth, connections) in CONNECTIONS.into_iter().enumerate() {
            // None is always the first.
            for turn in 0..contenders.len() {
                let turn = (turn + round) % contenders.len();
                let contender = &contenders[turn];
                let measured = Load {
                    target: contender.address,
                    service: contender.categorizer,
                    kind: Kind::Get,
                    connections,
                    warm_up: WARM_UP,
                    measured: MEASURED,
                    requests_max: u64::MAX,
                }
                .run(names, &contender.processes)?;
                page::print(contender.name, connections, &measured);
                figures[turn].rounds[nth].push(measured);
            }
        }
    }
    for (contender, figures) in contenders.iter().zip(&mut figures) {
        figures.resident[1] = contender.processes.resident_kib();
        if let Some(echo) = contender.echo {
            figures.copies = Some(copies(contender, echo, names)?);
        }
    }
    Ok(figures)
}

fn copies(contender: &Contender, echo: &'static str, names: &Names) -> Result<Copies, String> {
    let load = Load {
        target: contender.address,
        service: echo,
        kind: Kind::Post(COPY_LEN),
        connections: COPY_CONNECTIONS,
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(60),
        requests_max: COPIES,
    };
    let before = contender.processes.resident_kib();
    load.run(names, &contender.processes)?;
    let once = contender.processes.resident_kib();
    let measured = load.run(names, &contender.processes)?;
    page::print(contender.name, COPY_CONNECTIONS, &measured);
    Ok(Copies {
        before,
        after: [once, contender.processes.resident_kib()],
        per_second: measured.per_second,
        cpu: measured.cpu,
    })
}

fn start_weir(names: &Names, line: &str) -> IcapServer {
    let listed: String = names.listed().map(|name| format!("{name}\n")).collect();
    icap_server::Setup::new(POLICY)
        .category("big/domains", &listed)
        .category("small/domains", "small.test\n")
        .line(line)
        .start()
}

fn start_c_icap(names: &Names) -> Peer {
    let listed: String = names.listed().map(|name| format!("{name}:\n")).collect();
    let categories = [("big", listed.as_str()), ("small", "small.test:\n")];
    peers::start_c_icap(peers::free_address(), C_ICAP_THREADS, &categories)
}
