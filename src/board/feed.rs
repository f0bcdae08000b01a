//! The feed: tells listeners what has changed in the published snapshot.
//!
//! It compares snapshots a few times a second. Many changes of one entry are coalesced, and listeners
//! cost the writer nothing. While nobody listens the feed holds no snapshot.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch::{self, Receiver, Sender};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::published::Published;
use crate::domain::{Difference, Snapshot};
use crate::mutex::locked;

/// The time between two comparisons: well under the second after which a page should show a change.
const STEP: Duration = Duration::from_millis(200);
/// How many changes are kept for listeners that are slow or resume. A listener that is further behind
/// is cut off, so that slow listeners cost no more memory than this.
const KEPT_CHANGES: usize = 50_000;
/// About how many bytes of changes are kept.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How long the feed goes on when nobody listens: longer than a client takes to reconnect.
const AFTERTIME: Duration = Duration::from_mins(1);

/// The changes since the step before.
#[derive(Debug)]
pub struct Step {
    /// At least one change, in the order of the keys.
    pub changes: Vec<Difference>,
}

/// A handle on the feed; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Feed {
    published: Arc<Published>,
    /// Distinguishes the steps of this process from those of any other.
    run: u64,
    log: Arc<Mutex<Log>>,
}

/// The latest steps, and the listeners.
#[derive(Debug)]
struct Log {
    /// Sends the number of the last step; none once the feed has ended.
    listeners: Option<Sender<u64>>,
    /// The snapshot that the last step led to; none while nobody listens.
    snapshot: Option<Arc<Snapshot>>,
    number: u64,
    kept: VecDeque<Arc<Step>>,
    kept_changes: usize,
    kept_bytes: usize,
    last_heard_at: Instant,
}

/// Receives every step.
#[derive(Debug)]
pub struct Listener {
    /// Whether it resumes after the step that it named, without a gap.
    pub has_resumed: bool,
    run: u64,
    /// The number of the last step that it has received.
    heard: u64,
    last: Receiver<u64>,
    log: Arc<Mutex<Log>>,
}

impl Drop for Listener {
    /// Keeps the feed running for a while, so that this client can resume.
    fn drop(&mut self) {
        locked(&self.log).last_heard_at = Instant::now();
    }
}

impl Feed {
    pub(super) fn new(published: Arc<Published>) -> Self {
        let log = Log {
            listeners: Some(watch::channel(0).0),
            snapshot: None,
            number: 0,
            kept: VecDeque::new(),
            kept_changes: 0,
            kept_bytes: 0,
            last_heard_at: Instant::now(),
        };
        // Hashing nothing with a random key gives a random number.
        let run = RandomState::new().build_hasher().finish();
        Self { published, run, log: Arc::new(Mutex::new(log)) }
    }

    /// Runs until `stop`; then ends every listener.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.published.has_changed.notified() => self.step().await,
                // If nothing changes, nothing else notices that the last listener has left.
                () = tokio::time::sleep(AFTERTIME) => self.log().forget_unless_heard(),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(STEP) => {}
            }
        }
        let mut log = self.log();
        log.listeners = None;
        log.forget();
    }

    /// Makes the next step, if anybody may want it.
    async fn step(&self) {
        let Some(before) = self.log().snapshot_if_heard() else { return };
        let after = self.published.snapshot();
        let later = Arc::clone(&after);
        // After the clock was set, every entry may have changed: this can take long.
        let changes = spawn_blocking(move || Difference::between(&before, &later)).await;
        // If the comparison failed, the next one covers these changes too.
        let Ok(changes) = changes else { return };
        self.log().tell(after, changes);
    }

    /// Begins to listen: after the step of this name if it is known, or from now on.
    pub(super) fn listen(&self, after: Option<&str>) -> Listener {
        let mut log = self.log();
        let last = match &log.listeners {
            Some(listeners) => listeners.subscribe(),
            None => watch::channel(0).1,
        };
        if log.snapshot.is_none() && log.listeners.is_some() {
            log.snapshot = Some(self.published.snapshot());
        }
        let named = after.and_then(|name| number_in(self.run, name));
        let resumed = named.filter(|number| log.has_all_since(*number));
        Listener {
            has_resumed: resumed.is_some(),
            run: self.run,
            heard: resumed.unwrap_or(log.number),
            last,
            log: Arc::clone(&self.log),
        }
    }

    /// Returns the number of listeners.
    pub(super) fn listeners(&self) -> usize {
        self.log().listeners.as_ref().map_or(0, Sender::receiver_count)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        locked(&self.log)
    }
}

/// Returns the number of a step that was made in this process. Each step has only one name.
pub(super) fn number_in(run: u64, name: &str) -> Option<u64> {
    let number = name.split_once('-')?.1.parse().ok()?;
    (name == name_of(run, number)).then_some(number)
}

fn name_of(run: u64, number: u64) -> String {
    format!("{run:016x}-{number}")
}

impl Log {
    /// Returns the snapshot that the last step led to, unless nobody wants the next step.
    fn snapshot_if_heard(&mut self) -> Option<Arc<Snapshot>> {
        self.forget_unless_heard();
        self.snapshot.clone()
    }

    fn forget_unless_heard(&mut self) {
        let is_heard = self.listeners.as_ref().is_some_and(|to| to.receiver_count() > 0);
        if !is_heard && self.last_heard_at.elapsed() > AFTERTIME {
            self.forget();
        }
    }

    /// Makes a step of changes.
    fn tell(&mut self, snapshot: Arc<Snapshot>, changes: Vec<Difference>) {
        let Some(listeners) = &self.listeners else { return };
        self.snapshot = Some(snapshot);
        if changes.is_empty() {
            return;
        }
        self.number += 1;
        let step = Arc::new(Step { changes });
        listeners.send_replace(self.number);
        self.keep(step);
    }

    fn keep(&mut self, step: Arc<Step>) {
        self.kept_changes += step.changes.len();
        self.kept_bytes += step.weight();
        self.kept.push_back(step);
        while self.kept_changes > KEPT_CHANGES || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_changes -= oldest.changes.len();
            self.kept_bytes -= oldest.weight();
        }
    }

    fn forget(&mut self) {
        if self.snapshot.take().is_none() {
            return;
        }
        self.kept.clear();
        (self.kept_changes, self.kept_bytes) = (0, 0);
        // The feed will miss what happens from now on, so no listener can resume from before.
        self.number += 1;
    }

    /// Whether all steps after this one are kept.
    fn has_all_since(&self, number: u64) -> bool {
        self.number.checked_sub(number).is_some_and(|missing| missing <= self.kept.len() as u64)
    }

    /// Returns the step after this one, if there is one and it is kept.
    fn next_after(&self, number: u64) -> Option<Arc<Step>> {
        let missing = usize::try_from(self.number.checked_sub(number)?).ok()?;
        self.kept.get(self.kept.len().checked_sub(missing)?).cloned()
    }
}

impl Step {
    fn weight(&self) -> usize {
        self.changes.iter().map(Difference::weight).sum()
    }
}

impl Listener {
    /// Returns the name of the last step that it has received, to resume after it later.
    #[must_use]
    pub fn place(&self) -> String {
        name_of(self.run, self.heard)
    }

    /// Waits for the next step; `None` if the feed has ended, or if the listener was too slow.
    pub async fn hear(&mut self) -> Option<Arc<Step>> {
        loop {
            // From here on no step is missed.
            self.last.borrow_and_update();
            {
                let log = locked(&self.log);
                if log.listeners.is_none() || !log.has_all_since(self.heard) {
                    return None;
                }
                if let Some(step) = log.next_after(self.heard) {
                    self.heard += 1;
                    return Some(step);
                }
            }
            self.last.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Capacity, Head, Now, Policy, Timestamp};
    use crate::store::Usage;

    #[test]
    fn a_step_has_one_name_and_those_of_another_process_have_others() {
        assert_eq!(number_in(0xa, "000000000000000a-7"), Some(7));
        for name in [
            "000000000000000b-7",
            "000000000000000a-07",
            "000000000000000a-+7",
            "000000000000000A-7",
            "a-7",
            "000000000000000a7",
            "",
        ] {
            assert_eq!(number_in(0xa, name), None, "{name}");
        }
    }

    #[actix_web::test]
    async fn a_snapshot_is_given_up_soon_after_the_last_listener_has_left_also_if_nothing_changes()
    {
        tokio::time::pause();
        let now = Now { at: Timestamp::from_millis(0), steady_for: Duration::ZERO };
        let policy = Policy::new(None, None);
        let capacity = Capacity { entries: None, bytes: None };
        let snapshot = Snapshot::load(policy, Head::default(), Vec::new(), now);
        let published = Arc::new(Published::new(snapshot, capacity, Usage::default()));
        let (feed, snapshot) = (Feed::new(Arc::clone(&published)), published.snapshot());
        let stop = CancellationToken::new();
        let watch = async {
            let listener = feed.listen(None);
            assert_eq!(Arc::strong_count(&snapshot), 3);
            tokio::time::sleep(3 * AFTERTIME).await;
            assert_eq!(Arc::strong_count(&snapshot), 3, "there is a listener");
            drop(listener);
            tokio::time::sleep(AFTERTIME / 2).await;
            assert_eq!(Arc::strong_count(&snapshot), 3, "it may come back");
            tokio::time::sleep(2 * AFTERTIME).await;
            assert_eq!(Arc::strong_count(&snapshot), 2);
            stop.cancel();
        };
        tokio::join!(feed.clone().run(stop.clone()), watch);
    }
}
