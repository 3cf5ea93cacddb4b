//! Reads the command line, runs it, turns an error into an exit status.
fn main() {}
