//! Rights, and the names that they cover.

use crate::domain::{KeyRef, Names};

/// What a caller needs to be allowed to do. The table of routes names one right for each method of
/// each path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// Report the status of a repository on a server.
    Write,
    /// Remove an entry.
    Delete,
    /// Read entries, counts, the history and the metrics, as data or as pages.
    Read,
    /// Ask whether the server is well. Everybody has it.
    Probe,
}

/// Pairs of repository and server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// The repositories.
    pub repo: Names,
    /// The servers.
    pub server: Names,
}

impl Scope {
    /// Every pair.
    pub const ALL: Self = Self { repo: Names::Any, server: Names::Any };

    /// Whether a pair is among them.
    #[must_use]
    pub fn covers(&self, key: KeyRef<'_>) -> bool {
        self.repo.matches(key.repo) && self.server.matches(key.server)
    }
}

/// The rights of a caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// The pairs of which they may report the status.
    pub write: Vec<Scope>,
    /// The entries that they may remove.
    pub delete: Vec<Scope>,
    /// Whether they may read.
    pub read: bool,
}

impl Rights {
    /// Returns every right.
    #[must_use]
    pub fn all() -> Self {
        Self { write: vec![Scope::ALL], delete: vec![Scope::ALL], read: true }
    }

    /// Whether there is this right, for some pair at least.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        match right {
            Right::Write => !self.write.is_empty(),
            Right::Delete => !self.delete.is_empty(),
            Right::Read => self.read,
            Right::Probe => true,
        }
    }

    /// Whether there is this right for a pair.
    #[must_use]
    pub fn covers(&self, right: Right, key: KeyRef<'_>) -> bool {
        let any = |scopes: &[Scope]| scopes.iter().any(|scope| scope.covers(key));
        match right {
            Right::Write => any(&self.write),
            Right::Delete => any(&self.delete),
            Right::Read => self.read,
            Right::Probe => true,
        }
    }
}
