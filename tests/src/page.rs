//! The part of a page in `docs/` that a command writes: what stands between two lines.

use std::path::{Path, PathBuf};

/// A part of a page.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The page's name in `docs/`.
    pub page: &'static str,
    /// The line before it, with its end.
    pub begin: &'static str,
    /// The line after it, with its end.
    pub end: &'static str,
}

impl Part {
    /// Returns the text of the part.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the page.
    pub fn read(&self) -> Result<String, String> {
        let [_, text, _] = self.split()?;
        Ok(text)
    }

    /// Replaces the part.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the page.
    pub fn write(&self, text: &str) -> Result<(), String> {
        let [before, _, after] = self.split()?;
        let (begin, end) = (self.begin, self.end);
        let page = format!("{before}{begin}\n{text}\n{end}{after}");
        std::fs::write(self.path(), page).map_err(|error| self.wrong(&error))
    }

    fn path(&self) -> PathBuf {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        docs.join(self.page)
    }

    /// Returns what is before the part, the part, and what is after it.
    fn split(&self) -> Result<[String; 3], String> {
        let text = std::fs::read_to_string(self.path()).map_err(|error| self.wrong(&error))?;
        let missing = |line: &str| self.wrong(&format!("no line `{}`", line.trim()));
        let (before, rest) = text
            .split_once(self.begin)
            .ok_or_else(|| missing(self.begin))?;
        let (part, after) = rest.split_once(self.end).ok_or_else(|| missing(self.end))?;
        Ok([before, part, after].map(str::to_owned))
    }

    fn wrong(&self, what: &dyn std::fmt::Display) -> String {
        format!("docs/{}: {what}", self.page)
    }
}
