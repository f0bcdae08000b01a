//! How an entry stands: when it changes by itself, what answers show of that now, and what the
//! history still has to record of it.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::{Deadlines, Entry, FileNames, Now, Policy, Recorded, ScheduleNumber, Timestamp};

/// For how long an entry that expired while drifted is kept: to expire is not to be repaired.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(7 * 24);

/// How long a reporter has been silent, against its deadlines.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Silence {
    /// It reported in time.
    Fresh,
    /// It is overdue; the entry is still listed.
    Stale,
    /// The entry's time to live is over; no answer shows the entry.
    Expired,
    /// The entry expired while drifted, and that was long ago.
    Forgotten,
}

/// What answers show of an entry that follows from its deadlines and the clock.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Shown {
    /// How long its reporter has been silent.
    pub silence: Silence,
}

impl Shown {
    /// Returns what is shown at a moment.
    #[must_use]
    pub fn at(moment: Timestamp, deadlines: &Deadlines, recorded: Recorded) -> Self {
        let Deadlines { stale_at, expires_at } = *deadlines;
        let forgotten_at = forgotten_at(recorded);
        let silence = if forgotten_at.is_some_and(|forgotten_at| moment >= forgotten_at) {
            Silence::Forgotten
        } else if moment >= expires_at || forgotten_at.is_some() {
            Silence::Expired
        } else if moment >= stale_at {
            Silence::Stale
        } else {
            Silence::Fresh
        };
        Self { silence }
    }

    /// Returns the earliest of the deadlines that are still ahead while this is shown;
    /// [`Timestamp::NEVER`] if none is.
    #[must_use]
    pub fn next_deadline(self, deadlines: &Deadlines, recorded: Recorded) -> Timestamp {
        let Self { silence } = self;
        let Deadlines { stale_at, expires_at } = *deadlines;
        match silence {
            Silence::Fresh => stale_at.min(expires_at),
            Silence::Stale => expires_at,
            Silence::Expired => forgotten_at(recorded).unwrap_or(Timestamp::NEVER),
            Silence::Forgotten => Timestamp::NEVER,
        }
    }

    /// Whether the store does not know all of this yet: an expired entry is still to be recorded or
    /// deleted, a forgotten one to be deleted.
    fn is_unrecorded(self, recorded: Recorded) -> bool {
        let Self { silence } = self;
        let Recorded { stale, expired_at } = recorded;
        match silence {
            Silence::Fresh => false,
            Silence::Stale => !stale,
            Silence::Expired => expired_at.is_none(),
            Silence::Forgotten => true,
        }
    }
}

/// Returns when an entry whose end is recorded is deleted.
fn forgotten_at(Recorded { stale: _, expired_at }: Recorded) -> Option<Timestamp> {
    expired_at.map(|at| at.plus(REMEMBERED_FOR))
}

/// An entry with its deadlines, and with what is shown of it.
#[derive(Clone, Debug)]
pub struct Standing {
    entry: Arc<Entry>,
    deadlines: Deadlines,
    shown: Shown,
    schedule: ScheduleNumber,
    /// See [`super::Report::row_bytes`].
    report_bytes: u32,
    /// See [`Entry::fingerprint`].
    content: u128,
}

impl Standing {
    /// Works out how an entry stands at a moment.
    #[must_use]
    pub fn new(entry: Arc<Entry>, policy: &Policy, now: Timestamp) -> Self {
        let number = policy.schedule_of(entry.key());
        Self::scheduled(entry, number, policy, now)
    }

    /// Works out how the entry of the same pair stands that follows this one.
    pub(super) fn followed_by(&self, entry: Arc<Entry>, policy: &Policy, now: Timestamp) -> Self {
        Self::scheduled(entry, self.schedule, policy, now)
    }

    fn scheduled(
        entry: Arc<Entry>,
        schedule: ScheduleNumber,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        let deadlines = policy.deadlines(schedule, &entry, now);
        let shown = Shown::at(now, &deadlines, entry.recorded);
        let content = entry.fingerprint();
        let has_row = entry.recorded.expired_at.is_none();
        let report_bytes = if has_row { entry.report.row_bytes() } else { 0 };
        Self { entry, deadlines, shown, schedule, report_bytes, content }
    }

    /// Returns the same with the silence recorded. The deadlines stay: those of an update from the
    /// future count from when the update was first seen.
    pub(super) fn with_silence_recorded(&self) -> Self {
        let mut entry = Entry::clone(&self.entry);
        entry.recorded.stale = true;
        Self { entry: Arc::new(entry), ..*self }
    }

    /// Returns the same with its end recorded, and without its files, which may be long.
    pub(super) fn with_expiry_recorded(&self) -> Self {
        let mut entry = Entry::clone(&self.entry);
        entry.recorded = Recorded { stale: true, expired_at: Some(self.expires_at()) };
        entry.report.files = FileNames::default();
        Self { entry: Arc::new(entry), report_bytes: 0, ..*self }
    }

    /// Updates what is shown to a moment; the deadlines stay.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.shown = Shown::at(now, &self.deadlines, self.entry.recorded);
    }

    /// Computes the deadlines again, after the clock was set, and what is shown.
    pub(super) fn reschedule(&mut self, policy: &Policy, now: Timestamp) {
        self.deadlines = policy.deadlines(self.schedule, &self.entry, now);
        self.advance(now);
    }

    /// Returns the entry.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(super) fn report_bytes(&self) -> u32 {
        self.report_bytes
    }

    /// Whether the reporter has fallen silent.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.shown.silence != Silence::Fresh
    }

    /// Whether answers show the entry.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        match self.shown.silence {
            Silence::Fresh | Silence::Stale => true,
            Silence::Expired | Silence::Forgotten => false,
        }
    }

    /// Whether the entry was drifted when it expired, and its end is recorded. It counts for nothing
    /// but a metric. It is kept until it is reported again or removed, or for [`REMEMBERED_FOR`].
    #[must_use]
    pub fn is_expired_drifted(&self) -> bool {
        self.entry.recorded.expired_at.is_some()
    }

    /// Whether the entry expired while drifted, and that was not long ago: its end may not be
    /// recorded yet, since the clock is not believed or nothing can be stored.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.shown.silence == Silence::Expired && self.entry.report.is_drifted()
    }

    /// Whether the entry can be removed: if answers show it, or it expired while drifted.
    #[must_use]
    pub fn can_be_removed(&self) -> bool {
        self.is_listed() || self.is_expired_drifted() || self.is_remembered()
    }

    /// Returns when the entry expires, or expired; [`Timestamp::NEVER`] if it does not.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.deadlines.expires_at
    }

    /// Returns when the entry becomes stale; [`Timestamp::NEVER`] if it does not.
    #[must_use]
    pub fn stale_at(&self) -> Timestamp {
        self.deadlines.stale_at
    }

    /// Returns the last moment of which the history tells something about the entry. `has_ended` says
    /// that its end is told, or about to be.
    pub(super) fn told_until(&self, has_ended: bool) -> Timestamp {
        let Recorded { stale, expired_at } = self.entry.recorded;
        let silent_at = if stale { self.stale_at() } else { self.entry.updated_at };
        let ended_at = expired_at.or(has_ended.then(|| self.expires_at()));
        // A deadline that settings have moved into the future was told when it was another.
        let told = [Some(silent_at), ended_at].into_iter().flatten();
        told.filter(|at| *at != Timestamp::NEVER).fold(self.entry.updated_at, Timestamp::max)
    }

    /// Returns when what is shown changes next; [`Timestamp::NEVER`] if it does not.
    pub(super) fn next_deadline(&self) -> Timestamp {
        self.shown.next_deadline(&self.deadlines, self.entry.recorded)
    }

    /// Whether answers show more of the entry than the store knows.
    pub(super) fn is_unsettled(&self) -> bool {
        self.shown.is_unrecorded(self.entry.recorded)
    }

    /// Whether what is shown and not recorded can be believed: see [`Now::confirms_silence_since`].
    pub(super) fn is_to_be_settled(&self, now: Now) -> bool {
        self.is_unsettled() && now.confirms_silence_since(self.entry.updated_at)
    }

    /// Whether answers show the same of both.
    pub(super) fn shows_the_same_as(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }

    /// Returns a fingerprint of what answers show of the entry; 0 if they do not show it.
    pub(super) fn fingerprint(&self) -> u128 {
        let Deadlines { stale_at: _, expires_at } = self.deadlines;
        let Shown { silence } = self.shown;
        let stale = match silence {
            Silence::Fresh => 0,
            Silence::Stale => 1,
            Silence::Expired | Silence::Forgotten => return 0,
        };
        let mut shown = [0; 25];
        let (content, rest) = shown.split_at_mut(16);
        content.copy_from_slice(&self.content.to_le_bytes());
        let (moment, flag) = rest.split_at_mut(8);
        moment.copy_from_slice(&expires_at.millis().to_le_bytes());
        flag.fill(stale);
        xxh3_128(&shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn what_is_shown_changes_at_the_deadline_itself() {
        let deadlines = Deadlines { stale_at: at(100), expires_at: at(1000) };
        let recorded = Recorded::default();
        let silence = |moment| Shown::at(moment, &deadlines, recorded).silence;
        assert_eq!(silence(Timestamp::from_millis(99_999)), Silence::Fresh);
        assert_eq!(silence(at(100)), Silence::Stale);
        assert_eq!(silence(Timestamp::from_millis(999_999)), Silence::Stale);
        assert_eq!(silence(at(1000)), Silence::Expired);
        let next = |silence| Shown { silence }.next_deadline(&deadlines, recorded);
        assert_eq!(next(Silence::Fresh), at(100));
        assert_eq!(next(Silence::Stale), at(1000));
        assert_eq!(next(Silence::Expired), Timestamp::NEVER);
    }

    #[test]
    fn what_is_recorded_as_expired_stays_so_whatever_the_deadlines_are() {
        let recorded = Recorded { stale: true, expired_at: Some(at(1000)) };
        let forgotten_at = at(1000).plus(REMEMBERED_FOR);
        for stale_at in [at(100), Timestamp::NEVER] {
            let deadlines = Deadlines { stale_at, expires_at: stale_at };
            let shown = |moment| Shown::at(moment, &deadlines, recorded);
            assert_eq!(shown(at(50)).silence, Silence::Expired);
            assert_eq!(shown(at(50)).next_deadline(&deadlines, recorded), forgotten_at);
            assert_eq!(shown(forgotten_at).silence, Silence::Forgotten);
            let next = shown(forgotten_at).next_deadline(&deadlines, recorded);
            assert_eq!(next, Timestamp::NEVER);
        }
    }
}
