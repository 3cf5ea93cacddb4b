//! Pipes, kept while they carry nothing.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};

/// Bytes that one pipe carries: what the system gives a pipe unless asked.
pub(super) const PIPE_LEN: usize = 64 * 1024;

/// Empty pipes that one worker keeps.
pub(super) const PIPES_KEPT_MAX: usize = 64;

/// The empty pipes of one worker.
#[derive(Debug, Default)]
pub(crate) struct Pipes(RefCell<Vec<Pipe>>);

/// An empty pipe. One that is dropped with bytes in it takes them along.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) into: OwnedFd,
    pub(super) out: OwnedFd,
}

impl Pipes {
    /// Takes a kept pipe, or makes one.
    pub(super) fn take(&self) -> io::Result<Pipe> {
        if let Some(pipe) = self.0.borrow_mut().pop() {
            return Ok(pipe);
        }
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { into, out })
    }

    /// Returns how many pipes are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.0.borrow().len()
    }

    /// Keeps an empty pipe for later.
    pub(super) fn give_back(&self, pipe: Pipe) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < PIPES_KEPT_MAX {
            kept.push(pipe);
        }
    }
}
