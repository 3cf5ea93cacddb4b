//! The program: command line, composition of proxy and ICAP server, exit status.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use service::exit;

mod ask;
pub mod cli;
mod command;
pub mod config;
mod excerpt;
mod failure;
pub mod files;
mod gateway;
pub mod import;
mod live;
pub mod load;
mod pull;
#[cfg(test)]
mod told;

pub use failure::Failure;

/// Runs the command line and returns the exit status.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors. A closed terminal leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            };
        }
    };
    match run(cli, &mut io::stdout()) {
        Ok(status) => status,
        // Whoever reads the output has seen enough.
        Err(Failure::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => exit::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.status()
        }
    }
}

/// Runs a command that prints to `out`, and returns the exit status.
///
/// # Errors
///
/// Fails with what the command could not do.
pub fn run(cli: cli::Cli, out: &mut dyn Write) -> Result<u8, Failure> {
    match cli.command {
        cli::Command::Up(options) => command::up::run(&options, out),
        cli::Command::Proxy(options) => command::serve::proxy(&options.config),
        cli::Command::IcapServer(options) => command::serve::icap_server(&options.config),
        cli::Command::Check(options) => command::check::run(&options, out),
        cli::Command::Test(options) => command::test::run(&options, out),
        cli::Command::Explain(options) => command::explain::run(&options, out),
        cli::Command::Sessions { command } => command::sessions::run(&command, out),
        cli::Command::Diff(options) => command::diff::run(&options, out),
        cli::Command::Completions { shell } => command::manual::completions(shell, out),
        cli::Command::Man { folder } => command::manual::pages(&folder, out),
        cli::Command::Categories { command } => command::categories::run(&command, out),
    }
}
