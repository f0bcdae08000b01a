//! What a connection is doing: its requests, and when it made progress last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::time::Instant;

use super::intake::{BodyIntake, Wanted};

/// How long a client whose answer is complete may go on sending what nobody reads, in
/// milliseconds. actix gives clients that have announced a length as long. Closing at once could
/// destroy the answer on its way.
const LINGER: u64 = 1000;

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    /// When it last made progress, in milliseconds after `started`.
    progress_at: AtomicU64,
    /// Whether it has sent a request.
    has_asked: AtomicBool,
    /// How many of its requests have not been answered in full.
    requests: AtomicUsize,
    /// Whether the client sends what nobody reads: the body of the current request is chunked and has
    /// not been read to its end, or there is more behind the last request.
    has_unread_body: AtomicBool,
    /// Whether the current request has been received in full and its answer has an end.
    awaits_end: AtomicBool,
    /// Whether this program has shut the receiving side.
    is_closed_for_reading: AtomicBool,
    /// Whether this program has shut any side.
    is_shut: AtomicBool,
    pub(super) body: BodyIntake,
}

impl Activity {
    /// Begins a connection. All connections count their time from `started`.
    pub(super) fn begin(started: Instant) -> Self {
        Self {
            started,
            progress_at: AtomicU64::new(millis_since(started)),
            has_asked: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            has_unread_body: AtomicBool::new(false),
            awaits_end: AtomicBool::new(false),
            is_closed_for_reading: AtomicBool::new(false),
            is_shut: AtomicBool::new(false),
            body: BodyIntake::default(),
        }
    }

    pub(super) fn note_progress(&self) {
        self.progress_at.store(millis_since(self.started), Ordering::Relaxed);
    }

    pub(super) fn note_body_end(&self) {
        self.has_unread_body.store(false, Ordering::Relaxed);
        self.awaits_end.store(true, Ordering::Relaxed);
    }

    /// Notes that the client goes on sending after its last answer.
    pub(super) fn note_unread(&self) {
        self.has_unread_body.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.has_unread_body.load(Ordering::Relaxed)
    }

    pub(super) fn note_stream(&self) {
        self.awaits_end.store(false, Ordering::Relaxed);
    }

    /// Has to be called before any side is shut.
    pub(super) fn note_shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    /// Has to be called before the receiving side is shut: a request may come just then.
    pub(super) fn close_for_reading(&self) {
        self.is_closed_for_reading.store(true, Ordering::Relaxed);
    }

    /// Returns when the connection last made progress, in milliseconds after the start.
    pub(super) fn progress_at(&self) -> u64 {
        self.progress_at.load(Ordering::Relaxed)
    }

    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed_for_reading(&self) -> bool {
        self.is_closed_for_reading.load(Ordering::Relaxed)
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }

    /// Whether a request has been received in full and not been answered in full.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.is_idle() && self.awaits_end.load(Ordering::Relaxed)
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Returns what actix may have next of what the client has sent.
    pub(super) fn wanted(&self) -> Wanted {
        if self.is_idle() {
            return Wanted::Head;
        }
        match self.body.left() {
            0 if self.body.is_expected() && self.has_unread_body() => Wanted::Chunks,
            0 => Wanted::Nothing,
            left => Wanted::Body(left),
        }
    }

    /// Returns how long the connection may make no progress, in milliseconds: `untaken` while a
    /// request is under way, `limit` otherwise.
    pub(super) fn patience(&self, limit: u64, untaken: u64, is_ending: bool) -> u64 {
        let is_unwanted = is_ending || self.has_unread_body();
        match (self.is_idle(), is_unwanted) {
            (true, true) => limit.min(LINGER),
            (true, false) => limit,
            (false, _) => untaken,
        }
    }
}

/// Returns the milliseconds since a moment.
pub(super) fn millis_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A request under way; it ends when this is dropped.
pub(super) struct UnderWay(Arc<Activity>);

impl UnderWay {
    pub(super) fn begin(activity: Arc<Activity>, has_body: bool, is_chunked: bool) -> Self {
        activity.awaits_end.store(!has_body, Ordering::Relaxed);
        activity.has_asked.store(true, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.has_unread_body.store(is_chunked, Ordering::Relaxed);
        activity.note_progress();
        Self(activity)
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.0.has_unread_body()
    }

    pub(super) fn note_progress(&self) {
        self.0.note_progress();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.note_progress();
        self.0.body.end();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_has_a_minute_at_most_and_what_is_unwanted_a_second() {
        let activity = Arc::new(Activity::begin(Instant::now()));
        let patience = |limit, untaken| {
            [false, true].map(|is_ending| activity.patience(limit, untaken, is_ending))
        };
        assert_eq!(patience(75_000, 60_000), [75_000, LINGER]);
        assert_eq!(patience(500, 500), [500, 500]);
        let under_way = UnderWay::begin(Arc::clone(&activity), false, false);
        assert_eq!(patience(75_000, 60_000), [60_000, 60_000]);
        assert_eq!(patience(500, 500), [500, 500]);
        drop(under_way);
        assert_eq!(patience(75_000, 60_000), [75_000, LINGER]);
    }
}
