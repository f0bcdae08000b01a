//! The head: the commit that a state is of.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The number of a commit; each commit has the next one.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub i64);

impl Revision {
    /// Returns the revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Identifies an attempt to commit, so that the store can be asked later what became of it.
///
/// No two attempts have the same, in this process or in any other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CommitId(pub u128);

impl CommitId {
    /// Makes an identifier for an attempt.
    #[must_use]
    pub fn random() -> Self {
        // Hashing nothing with a random key gives a random number.
        let random = || u128::from(RandomState::new().build_hasher().finish());
        Self(random() << 64 | random())
    }
}

/// The last commit that a state has. States with equal heads are equal.
///
/// The revision alone does not tell: a standby that lacks the last commits of its primary uses their
/// revisions again when it takes over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// The number of the commit.
    pub revision: Revision,
    /// Tells the commit from others of that number.
    pub id: CommitId,
}

impl Head {
    /// Returns the next commit in a store that one process has alone.
    #[must_use]
    pub fn next(self) -> Self {
        self.revision.next().into()
    }
}

impl From<Revision> for Head {
    /// Makes the head of a store that one process has alone, whose commits need no ids.
    fn from(revision: Revision) -> Self {
        Self { revision, id: CommitId::default() }
    }
}
