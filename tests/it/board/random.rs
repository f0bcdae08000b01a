//! Chance by a seed: the same seed gives the same faults at the same moments.

use std::time::Duration;

/// A small random generator (`SplitMix64`).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 up to this one, which it never is.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// Returns true so many times in a thousand.
    pub fn per_mille(&mut self, times: u32) -> bool {
        times > 0 && self.next() % 1000 < u64::from(times)
    }

    /// Returns one of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

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
