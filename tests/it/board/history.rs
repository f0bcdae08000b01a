//! What the history of one pair may say, told by the rules alone.

use std::time::Duration;

use gitops_status_server::domain::{DriftCount, Entry, Event, SyncStatus, Timestamp, Transition};

/// By how much the clock of one board may be ahead of another's.
pub const MOST_AHEAD: Duration = Duration::from_millis(400);

/// Where the history of a pair has come to.
#[derive(Clone, Debug, Default)]
pub struct Past {
    present: Option<Present>,
    /// Whether it has expired while drifted, and nobody has removed it or reported it again.
    expired_drifted: bool,
    last_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Present {
    says: (SyncStatus, DriftCount),
    is_stale: bool,
    /// What a report has said that ended a silence, if that is new: the next transition tells it.
    untold: Option<(SyncStatus, DriftCount)>,
}

impl Past {
    /// Follows a transition. Returns what is wrong with it.
    pub fn follow(&mut self, told: &Transition) -> Result<(), String> {
        let says = (told.sync_status, told.drift_count);
        let wrong = || Err(format!("{:?} {says:?} at {} after {self:?}", told.event, told.at));
        // The clock of the board that removed the row may be ahead, and nothing else remembers the end.
        let has_row = self.present.is_some() || self.expired_drifted;
        let earliest = if has_row { Duration::ZERO } else { MOST_AHEAD };
        if self.last_at.is_some_and(|last| told.at < last.minus(earliest)) {
            return wrong();
        }
        let next = match (&self.present, told.event) {
            (None, Event::First) => Some(Present { says, is_stale: false, untold: None }),
            (None, Event::Deleted) if self.expired_drifted => None,
            (None, _) | (Some(_), Event::First) => return wrong(),
            (Some(present), event) => {
                let Present { says: before, is_stale, untold } = present.clone();
                let is_new = match event {
                    Event::Drifted => {
                        (before.0, says.0) == (SyncStatus::Synced, SyncStatus::OutOfSync)
                    }
                    Event::Synced => {
                        (before.0, says.0) == (SyncStatus::OutOfSync, SyncStatus::Synced)
                    }
                    Event::Changed => before.0 == says.0 && before.1 != says.1,
                    Event::First
                    | Event::Stale
                    | Event::Fresh
                    | Event::Expired
                    | Event::Deleted => false,
                };
                let is_as_announced = untold.is_none_or(|untold| is_new && untold == says);
                let is_right = match event {
                    Event::Stale => !is_stale && says == before,
                    Event::Fresh => is_stale,
                    Event::Expired | Event::Deleted => says == before,
                    Event::First | Event::Drifted | Event::Synced | Event::Changed => {
                        !is_stale && is_new
                    }
                };
                if !is_as_announced || !is_right {
                    return wrong();
                }
                match event {
                    Event::Expired | Event::Deleted => None,
                    Event::Fresh => {
                        let untold = (says != before).then_some(says);
                        Some(Present { says: before, is_stale: false, untold })
                    }
                    _ => Some(Present { says, is_stale: event == Event::Stale, untold: None }),
                }
            }
        };
        (self.present, self.last_at) = (next, Some(told.at));
        let is_drifted = says.0.is_drift_with(says.1);
        self.expired_drifted = told.event == Event::Expired && is_drifted;
        Ok(())
    }

    /// Compares the row of the pair with what the history has told. Returns what differs.
    pub fn agree_with(&self, row: Option<&Entry>) -> Result<(), String> {
        let told = self.present.as_ref().map(|present| (present.says, present.is_stale));
        let is_told = self.present.as_ref().is_none_or(|present| present.untold.is_none());
        let (row, ended) = match row {
            Some(entry) if entry.recorded.expired_at.is_some() => (None, Some(entry)),
            row => (row, None),
        };
        if ended.is_some() && !self.expired_drifted {
            return Err(format!("the history has come to {self:?}, but {ended:?} is kept"));
        }
        let stored = row.map(|entry| {
            ((entry.report.sync_status, entry.report.drift_count), entry.recorded.stale)
        });
        if told == stored && is_told {
            return Ok(());
        }
        Err(format!("the history has come to {self:?}, the row to {stored:?}"))
    }
}
