//! Copies of the database: on request, and by itself every now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::published::Published;
use crate::clock::{Clock, Reading};
use crate::domain::Timestamp;
use crate::metrics::BackupState;
use crate::store::{BackupError, BackupPlace, Copied, KeptBackup, Store};

/// The time from the start to the first copy, if one is due.
const FIRST: Duration = Duration::from_secs(10);
/// The longest time to the next copy after one that could not be made.
const AGAIN: Duration = Duration::from_mins(10);
/// The time between two looks at the clock.
const TICK: Duration = Duration::from_millis(250);

/// Which copies are made by themselves.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// Where they are kept.
    pub folder: PathBuf,
    /// The time from one to the next.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

impl Board {
    /// Makes a whole copy of the database, which has no name.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn back_up(&self, stop: CancellationToken) -> Result<Copied, BackupError> {
        self.store.back_up(BackupPlace::Unnamed, stop).await
    }

    /// Whether there can be copies: some databases are copied by their own tools.
    #[must_use]
    pub fn can_be_copied(&self) -> bool {
        self.store.can_be_copied()
    }

    /// Returns what is known of the copies that are made by themselves, if there are to be some.
    #[must_use]
    pub fn backup_state(&self) -> Option<BackupState> {
        self.published.backups().clone()
    }
}

/// Makes copies for as long as the application runs.
pub struct Backups {
    published: Arc<Published>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// When the application started, by both clocks.
    started: Reading,
    settings: Option<BackupSettings>,
}

impl Backups {
    /// Makes what copies the database of a board.
    #[must_use]
    pub fn new(board: &Board, clock: Arc<dyn Clock>, settings: Option<BackupSettings>) -> Self {
        let (published, store) = (Arc::clone(&board.published), Arc::clone(&board.store));
        *published.backups() = settings.as_ref().map(|settings| BackupState::new(settings.every));
        let started = clock.read();
        Self { published, store, clock, started, settings }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Some(settings) = &self.settings else {
            stop.cancelled().await;
            return;
        };
        // By the monotonic clock: the other one may be set.
        let mut due = self.started.monotonic + self.first_wait(settings).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(TICK) => {}
            }
            let began = self.clock.monotonic();
            if began >= due {
                let is_made = self.make(settings, &stop).await;
                due = began + if is_made { settings.every } else { settings.every.min(AGAIN) };
            }
        }
    }

    /// Looks for the newest copy, and returns the time until the next one.
    async fn first_wait(&self, settings: &BackupSettings) -> Duration {
        match self.store.newest_backup(&settings.folder).await {
            Ok(Some(newest)) => {
                self.note(newest);
                wait_after(newest.at, self.started.wall, settings.every)
            }
            Ok(None) => FIRST,
            Err(error) => {
                log::warn!(
                    "The backups in {} cannot be listed: {error}",
                    settings.folder.display()
                );
                FIRST
            }
        }
    }

    /// Makes a copy. Returns whether there is one now.
    async fn make(&self, settings: &BackupSettings, stop: &CancellationToken) -> bool {
        let BackupSettings { folder, every: _, keep } = settings;
        let at = self.clock.read().wall;
        let place = BackupPlace::Folder { folder: folder.clone(), at, keep: *keep };
        match self.store.back_up(place, stop.clone()).await {
            Ok(Copied { bytes, at, .. }) => {
                log::info!("A backup was made in {}: {bytes} bytes", folder.display());
                if let Some(at) = at {
                    self.note(KeptBackup { at, bytes });
                }
                true
            }
            Err(BackupError::GivenUp) => false,
            Err(error) => {
                log::error!(
                    "No backup could be made in {}, and the newest ones stay: {error}",
                    folder.display()
                );
                if let Some(state) = &mut *self.published.backups() {
                    state.note_failure();
                }
                false
            }
        }
    }

    fn note(&self, KeptBackup { at, bytes }: KeptBackup) {
        if let Some(state) = &mut *self.published.backups() {
            state.note_success(at, bytes);
        }
    }
}

/// Returns how long after a start the next copy is due. A clock that was set back makes the newest copy
/// one of the future: its age is not known then, and a program that starts again and again must not
/// replace all copies by ones of today.
fn wait_after(newest: Timestamp, now: Timestamp, every: Duration) -> Duration {
    let age =
        u64::try_from(now.millis().saturating_sub(newest.millis())).map(Duration::from_millis);
    age.map_or(every, |age| every.saturating_sub(age)).max(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_copy_is_due_by_the_age_of_the_newest_one() {
        let (now, every) = (Timestamp::from_millis(1_776_767_535_000), Duration::from_hours(24));
        let hours = Duration::from_hours;
        assert_eq!(wait_after(now.minus(hours(5)), now, every), hours(19));
        assert_eq!(wait_after(now.minus(hours(240)), now, every), FIRST);
        assert_eq!(wait_after(now.plus(hours(5)), now, every), every, "the clock was set back");
    }
}
