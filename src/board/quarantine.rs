//! The quarantine: pairs whose content could not be stored are stored apart from others for a while.
//!
//! Each failure costs the store its connection. In a batch, a pair that fails would cost all others
//! their commit, too; and a reporter that repeats its update at once would cost everybody most of
//! the time.

use std::time::Duration;

use hashbrown::HashMap;

use crate::domain::Key;
use crate::store::StoreError;

/// How long a pair stays here after it has failed.
const STAY: Duration = Duration::from_mins(1);
/// How long a pair is not tried after it has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long no pair is tried after one has failed, in multiples of the time that it took to fail:
/// all pairs together then take at most a tenth of the writer's time.
const SHARE: u32 = 9;
/// The longest time that no pair is tried.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// How long the log does not mention a pair again.
const QUIET: Duration = Duration::from_mins(1);

/// The pairs in quarantine, by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    cases: HashMap<Key, Case>,
    /// No pair is tried before this moment.
    pause_ends: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    failed_at: Duration,
    logged_at: Option<Duration>,
}

impl Quarantine {
    /// Releases the pairs that have not failed for long enough. Returns whether any are left.
    pub(super) fn has_any(&mut self, now: Duration) -> bool {
        if !self.cases.is_empty() {
            self.cases.retain(|_, case| now < case.failed_at + STAY);
        }
        !self.cases.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        self.cases.contains_key(key)
    }

    /// Whether a pair that is here may be tried now.
    pub(super) fn may_try(&self, key: &Key, now: Duration) -> bool {
        let has_rested = |case: &Case| now >= case.failed_at + PAUSE;
        now >= self.pause_ends && self.cases.get(key).is_none_or(has_rested)
    }

    /// Takes a pair in that has failed by itself, and logs it.
    pub(super) fn note(&mut self, key: Key, error: &StoreError, now: Duration) {
        let logged_at = self.cases.get(&key).and_then(|case| case.logged_at);
        let is_quiet = logged_at.is_some_and(|logged_at| now < logged_at + QUIET);
        if !is_quiet {
            let (repo, server) = (key.repo.as_str(), key.server.as_str());
            log::error!(
                "Updates of {}:{} cannot be stored: {error}",
                repo.escape_debug(),
                server.escape_debug()
            );
        }
        let logged_at = logged_at.filter(|_| is_quiet).or(Some(now));
        self.cases.insert(key, Case { failed_at: now, logged_at });
    }

    /// Lets others have their turn after failures that have taken this long.
    pub(super) fn rest(&mut self, now: Duration, took: Duration) {
        self.pause_ends = now + (took * SHARE).min(LONGEST_REST);
    }

    /// Takes a pair in that has failed only together with others.
    pub(super) fn suspect(&mut self, key: Key, now: Duration) {
        // It has not been tried alone, so it may be at once.
        let failed_at = now.saturating_sub(PAUSE);
        self.cases.entry(key).or_insert(Case { failed_at, logged_at: None });
    }
}
