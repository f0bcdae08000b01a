//! How far an export or an import is, for somebody who waits at a terminal.

use std::io::Write;

/// A line of a terminal that says how far something is.
pub struct Progress {
    terminal: Option<Box<dyn Write + Send>>,
    verb: &'static str,
    shown: Option<u64>,
}

impl Progress {
    /// Shows progress on a terminal, if there is one. `verb` says what is done, such as "Exporting".
    #[must_use]
    pub fn new(verb: &'static str, terminal: Option<Box<dyn Write + Send>>) -> Self {
        Self { terminal, verb, shown: None }
    }

    /// Shows how many of how many records are done.
    pub(super) fn show(&mut self, done: u64, of: u64) {
        let Some(terminal) = &mut self.terminal else { return };
        let percent = done.saturating_mul(100) / of.max(1);
        if self.shown.replace(percent) != Some(percent) {
            // A terminal that is gone does not matter.
            write!(terminal, "\r{} {percent}% ({done} of {of})", self.verb).ok();
            terminal.flush().ok();
        }
    }

    /// Clears the line.
    pub(super) fn clear(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && self.shown.take().is_some()
        {
            // Back to its beginning, and erase it.
            write!(terminal, "\r\u{1b}[K").ok();
            terminal.flush().ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
