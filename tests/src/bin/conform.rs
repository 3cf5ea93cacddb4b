//! Runs the conformance suite for ICAP servers: `cargo xtask conformance`.

#![expect(
    clippy::print_stderr,
    reason = "it talks to the person at the terminal"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match tests::conformance::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
