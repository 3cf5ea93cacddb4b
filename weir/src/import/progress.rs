//! What a person at a terminal sees while lists are read.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line changes at most.
const INTERVAL: Duration = Duration::from_millis(200);

/// One line on standard error that is written over and over.
#[derive(Debug)]
pub struct Progress {
    lines: u64,
    /// When the line was written last; none where nobody watches.
    shown: Option<Instant>,
}

impl Progress {
    /// Shows progress if standard error is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        Self {
            lines: 0,
            shown: io::stderr().is_terminal().then(Instant::now),
        }
    }

    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            lines: 0,
            shown: None,
        }
    }

    /// Counts lines of the list that is the `lists`th.
    pub(super) fn read(&mut self, lines: u64, lists: usize) {
        self.lines += lines;
        if self.shown.is_some_and(|shown| shown.elapsed() >= INTERVAL) {
            self.show(&format!("read {} lines of {lists} lists", self.lines));
        }
    }

    /// Names the step that begins.
    pub fn step(&mut self, step: &str) {
        if self.shown.is_some() {
            self.show(step);
        }
    }

    /// Takes the line away.
    pub fn end(&mut self) {
        if self.shown.take().is_some() {
            write("");
        }
    }

    fn show(&mut self, text: &str) {
        self.shown = Some(Instant::now());
        write(text);
    }
}

fn write(text: &str) {
    // Nobody is left to tell if the terminal is gone.
    let _ = write!(io::stderr(), "\r\x1b[K{text}");
    let _ = io::stderr().flush();
}
