//! Runs the corpus of evasions against this program and others: `cargo xtask peers`.

#![expect(
    clippy::print_stderr,
    reason = "it talks to the person at the terminal"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match tests::comparison::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
