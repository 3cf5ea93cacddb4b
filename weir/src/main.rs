//! Reads the command line, runs it, turns an error into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(weir::main(std::env::args_os()))
}
