//! What is in `deploy/` works: every file is read by the program that it is for, and the layouts run.

use std::path::PathBuf;

use crate::architecture::root;

mod compose;
mod files;
mod freeradius;
mod kubernetes;
mod privileges;

fn path(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}
