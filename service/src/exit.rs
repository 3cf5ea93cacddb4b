//! Exit statuses, from sysexits.h where it has one.

/// Everything went well.
pub const SUCCESS: u8 = 0;
/// A test failed, a look-up was invalid, or a gateway refused.
pub const FAILURE: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// The system refused: an address cannot be bound, a file cannot be written.
pub const SYSTEM: u8 = 71;
/// The configuration is wrong.
pub const CONFIGURATION: u8 = 78;
