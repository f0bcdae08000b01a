//! What is known of damage to a store.

/// What a store and the looks at it have found.
#[derive(Clone, Debug, Default)]
pub struct Soundness {
    /// How many commits that had been confirmed were found lost when the store was opened, at most.
    pub lost_commits: u64,
}
