//! What tells of subscriber sessions, or of their profiles, while the program runs.

pub mod gx;
