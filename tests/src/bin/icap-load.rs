//! The ICAP server and c-icap under the same load, in turn: `cargo xtask icap-load`.

#![expect(
    clippy::print_stderr,
    reason = "it talks to the person at the terminal"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match tests::icap_load::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
