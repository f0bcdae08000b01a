//! Pairs that failed to commit; committed separately for a minute.
//!
//! Each failure costs the store its connection. In a batch, a pair that fails would cost all others
//! their commit, too; and a reporter that repeats its update at once would cost everybody most of
//! the time.

use std::time::Duration;

use hashbrown::HashMap;

use crate::domain::Key;
use crate::store::StoreError;

/// How long a pair stays here after its last request that was not stored.
const STAY: Duration = Duration::from_mins(1);
/// How long a pair is not tried after it has failed alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Storing apart takes at most one in this many parts of the writer's time.
const SHARE: u32 = 10;
/// How much of this time may be taken at once. Pairs that have failed alone wait until it is made up
/// for; others are tried until it is used up.
const BURST: Duration = Duration::from_secs(2);
/// How long the log does not mention a pair again.
const QUIET: Duration = Duration::from_mins(1);

/// The pairs in quarantine, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    cases: HashMap<Key, Case>,
    /// When the time that was spent on storing apart will be a tenth of all time.
    free_at: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    rests_until: Duration,
    stays_until: Duration,
    /// When the log has mentioned it: never, if it has failed only together with others.
    logged_at: Option<Duration>,
}

/// What is held against a pair, in the order in which pairs are tried.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Suspicion {
    None,
    /// It has failed together with others.
    Suspect,
    /// It has failed alone.
    Proven,
}

impl Quarantine {
    /// Releases the pairs that have stayed for long enough. Returns whether any are left.
    pub(super) fn has_any(&mut self, now: Duration) -> bool {
        if !self.cases.is_empty() {
            self.cases.retain(|_, case| now < case.stays_until);
        }
        !self.cases.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn of(&self, key: &Key) -> Suspicion {
        match self.cases.get(key) {
            Some(Case { logged_at: Some(_), .. }) => Suspicion::Proven,
            Some(Case { logged_at: None, .. }) => Suspicion::Suspect,
            None => Suspicion::None,
        }
    }

    /// Whether a pair may be stored apart now.
    pub(super) fn may_try(&self, key: &Key, now: Duration) -> bool {
        match self.cases.get(key) {
            Some(Case { rests_until, logged_at: Some(_), .. }) => {
                now >= self.free_at.max(*rests_until)
            }
            Some(Case { logged_at: None, .. }) | None => now + BURST * SHARE >= self.free_at,
        }
    }

    /// Notes time that was spent on storing apart. It counts as at most two bursts.
    pub(super) fn spend(&mut self, began: Duration, now: Duration) {
        let spent = now.saturating_sub(began) * SHARE;
        self.free_at = (self.free_at.max(began) + spent).min(now + 2 * BURST * SHARE);
    }

    /// Takes a pair in that has failed alone, and logs it.
    pub(super) fn note(&mut self, key: Key, error: &StoreError, now: Duration) {
        let logged_at = self.cases.get(&key).and_then(|case| case.logged_at);
        let logged_at =
            logged_at.filter(|logged_at| now < *logged_at + QUIET).unwrap_or_else(|| {
                let (repo, server) = (key.repo.as_str(), key.server.as_str());
                log::error!(
                    "Updates of {}:{} cannot be stored: {error}",
                    repo.escape_debug(),
                    server.escape_debug()
                );
                now
            });
        let (rests_until, stays_until) = (now + PAUSE, now + STAY);
        self.cases.insert(key, Case { rests_until, stays_until, logged_at: Some(logged_at) });
    }

    /// Keeps a pair that is not tried now, or takes it in if it has failed only together with others.
    pub(super) fn put_off(&mut self, key: Key, now: Duration) {
        let stays_until = now + STAY;
        let case = Case { rests_until: now, stays_until, logged_at: None };
        self.cases.entry(key).or_insert(case).stays_until = stays_until;
    }

    /// Releases a pair of which more than times was stored: times have a place of their own.
    pub(super) fn release(&mut self, key: &Key) {
        self.cases.remove(key);
    }
}
