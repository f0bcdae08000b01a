//! The faults of a run, drawn by chance.

use std::time::Duration;

use crate::support::Random;

/// How often what goes wrong, per mille of the calls of a store.
///
/// Each run has some of the faults and lacks others: a run with all of them would hide what happens
/// with one alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A commit does not arrive.
    pub lost_commit: u32,
    /// A commit is applied and reports a failure.
    pub lost_answer: u32,
    /// A commit reports a failure and is applied later, if that is still possible.
    pub late_commit: u32,
    /// What is not a commit fails.
    pub failed_read: u32,
    /// The database is full from now on, for some calls.
    pub full: u32,
    /// The database hangs up from now on, for some calls.
    pub down: u32,
    /// A standby takes over that lacks the last commits.
    pub fork: u32,
    /// The database forgets its older commits.
    pub trim: u32,
    /// A commit conflicts with commits of other pairs, since hashes of the pairs are equal.
    pub false_conflict: u32,
    /// The row of some pair cannot be stored from now on, or can be again.
    pub poison: u32,
    /// A call takes longer than the board's patience.
    pub hang: u32,
    /// A replica is killed and started again, per mille of the submissions.
    pub kill: u32,
    /// Whether a commit is confirmed only once the standby has it.
    pub is_standby_synchronous: bool,
}

impl Faults {
    /// Returns the faults after which a board does not know what was stored.
    pub fn of_doubt() -> Self {
        Self { lost_answer: 300, failed_read: 300, trim: 50, ..Self::default() }
    }

    /// Draws which faults a run has, and how often.
    pub fn draw(random: &mut Random) -> Self {
        let mut rate = |rates: &[u32]| {
            let rate = random.pick(rates);
            if random.below(3) == 0 { rate } else { 0 }
        };
        Self {
            lost_commit: rate(&[30, 200]),
            lost_answer: rate(&[30, 200]),
            late_commit: rate(&[30, 200]),
            failed_read: rate(&[50, 400]),
            full: rate(&[20]),
            down: rate(&[20]),
            fork: rate(&[20, 80]),
            trim: rate(&[20, 100]),
            false_conflict: rate(&[100, 300]),
            poison: rate(&[20, 100]),
            hang: rate(&[10]),
            kill: rate(&[100]),
            is_standby_synchronous: random.below(2) == 0,
        }
    }
}

/// For how long a call hangs that does: longer than the board's patience.
pub const HANG: Duration = Duration::from_secs(6);
