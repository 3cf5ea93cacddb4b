//! The commands, one module each.

pub(crate) mod categories;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod manual;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod test;
pub(crate) mod up;
