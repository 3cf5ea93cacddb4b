//! The policy file as written.
