//! `cargo xtask`: the tests, the lints, the benches and the comparison, each as one command.

#![expect(
    clippy::print_stderr,
    reason = "it talks to the person at the terminal"
)]

use std::process::{Command, ExitCode};

mod fuzz;
mod licences;
mod tiers;

const USAGE: &str = "usage: cargo xtask COMMAND

  test [--require-all] [-- ARGUMENTS]  every test that can run here; what cannot is named, and with
                                       --require-all is a failure. ARGUMENTS go to `cargo test`
  lint [--require-all]                 format, clippy, documentation, licences, unused dependencies
  ci                                   both, with --require-all
  bench [-- ARGUMENTS]                 the benches
  bench-categories [-- --data FOLDER] [--rules COUNT]
                                       category look-ups and builds at three sizes, beside a map, `fst`
                                       and squidGuard; the folder has lists, else names are made up. All
                                       three are written to benches/CATEGORIES.md
  check-categories -- FOLDER [QUERIES] look-ups in the lists of a folder against a scan of every rule,
                                       a million of them, and below every listed name
  fuzz [TARGET...] [--seconds N] [--sanitizer NAME]
                                       the fuzz targets one after another, 60 seconds each
  icap-load [-- --rounds N]            the ICAP server and c-icap under the same load, in turn; writes
                                       benches/ICAP-LOAD.md
  peers [-- ARGUMENTS]                 the corpus of evasions against this program, Squid, HAProxy and
                                       nginx; writes the table in docs/SECURITY-TESTS.md. ARGUMENTS:
                                       `--only NAME`, `--case TEXT` look at a part, and print it
  conformance [-- ARGUMENTS]           RFC 3507 against the ICAP server, c-icap and icap-rs; writes the table
                                       in docs/ICAP-CONFORMANCE.md. ARGUMENTS: `--address HOST:PORT
                                       --service NAME` judges another server; `--only NAME`, `--case TEXT`

Example:
  cargo xtask test";

const BENCH_CATEGORIES: [&str; 6] = [
    "bench",
    "--package",
    "benches",
    "--bench",
    "categories",
    "--",
];

const CHECK_CATEGORIES: [&str; 7] = [
    "run",
    "--release",
    "--package",
    "benches",
    "--bin",
    "check_categories",
    "--",
];

/// What was asked for.
struct Options {
    require_all: bool,
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    if command == "fuzz" {
        let Some(options) = fuzz::Options::read(arguments) else {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        };
        return ended(fuzz::fuzz(&options));
    }
    let Some(options) = options(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    let result = match command.as_str() {
        "test" => test(&options),
        "lint" => lint(&options),
        "ci" => {
            let all = Options {
                require_all: true,
                rest: options.rest,
            };
            test(&all).and_then(|()| lint(&all))
        }
        "bench" => cargo(&["bench", "--package", "benches"], &options.rest),
        "bench-categories" => cargo(&["build", "--release", "--package", "weir"], &[])
            .and_then(|()| cargo(&BENCH_CATEGORIES, &options.rest)),
        "check-categories" => cargo(&CHECK_CATEGORIES, &options.rest),
        "peers" => binary("compare", &options),
        "conformance" => binary("conform", &options),
        "icap-load" => optimised("icap-load", &options),
        _ => Err(USAGE.to_owned()),
    };
    ended(result)
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        require_all: false,
        rest: Vec::new(),
    };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--require-all" => options.require_all = true,
            "--" => options.rest.extend(arguments.by_ref()),
            _ => return None,
        }
    }
    Some(options)
}

fn test(options: &Options) -> Result<(), String> {
    tiers::announce(options.require_all)?;
    // All failures at once: a package that fails says nothing of those behind it.
    let mut command = cargo_command(&["test", "--workspace", "--no-fail-fast"], &options.rest);
    if options.require_all {
        // The tests that would skip fail instead.
        command.env("WEIR_REQUIRE_ALL", "1");
    }
    run(&mut command)
}

/// Runs a binary of the package `tests`.
fn binary(name: &str, options: &Options) -> Result<(), String> {
    let run = ["run", "--quiet", "--package", "tests", "--bin", name, "--"];
    cargo(&run, &options.rest)
}

/// Runs a binary of the package `tests` that measures.
fn optimised(name: &str, options: &Options) -> Result<(), String> {
    let run = ["run", "--quiet", "--release", "--package", "tests"];
    cargo(&[&run[..], &["--bin", name, "--"]].concat(), &options.rest)
}

fn lint(options: &Options) -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
    cargo(&fuzz, &[])?;
    cargo(
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
        &[],
    )?;
    let mut doc = cargo_command(
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
        &[],
    );
    run(doc.env("RUSTDOCFLAGS", "--deny warnings"))?;
    licences::check()?;
    if tiers::runs("command -v cargo-machete") {
        // Not as `cargo machete`: below `cargo run` it takes its own name for a folder.
        return run(&mut Command::new("cargo-machete"));
    }
    let missing = "cargo-machete is not installed, so unused dependencies are not looked for; \
                   install it with `cargo install cargo-machete --locked`";
    if options.require_all {
        return Err(missing.to_owned());
    }
    eprintln!("note: {missing}");
    Ok(())
}

fn cargo(arguments: &[&str], rest: &[String]) -> Result<(), String> {
    run(&mut cargo_command(arguments, rest))
}

fn cargo_command(arguments: &[&str], rest: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).args(rest);
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?} does not start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}
