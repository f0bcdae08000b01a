//! What the log says of a change, written once the change is on disk.

use std::sync::Arc;

use log::Level;

use crate::domain::{Change, Entry, Event};

/// A change, in the words of the log.
pub(super) struct LogLine {
    entry: Arc<Entry>,
    news: News,
}

enum News {
    Updated,
    OnlyTimes,
    Silent,
    Expired,
    Deleted,
}

impl LogLine {
    pub(super) fn of(change: &Change) -> Self {
        let (entry, transitions, is_news) = match change {
            Change::Put { entry, transitions, is_news } => (entry, transitions, *is_news),
            Change::Removed { entry, transitions } => (entry, transitions, true),
        };
        let news = match transitions.last().map(|transition| transition.event) {
            Some(Event::Stale) => News::Silent,
            Some(Event::Expired) => News::Expired,
            Some(Event::Deleted) => News::Deleted,
            Some(Event::First | Event::Drifted | Event::Synced | Event::Changed | Event::Fresh)
            | None => {
                if is_news {
                    News::Updated
                } else {
                    News::OnlyTimes
                }
            }
        };
        Self { entry: Arc::clone(entry), news }
    }

    pub(super) fn write(self) {
        let level = match self.news {
            News::OnlyTimes => Level::Debug,
            News::Updated | News::Silent | News::Expired | News::Deleted => Level::Info,
        };
        if log::log_enabled!(level) {
            log::log!(level, "{}", self.text());
        }
    }

    fn text(&self) -> String {
        let report = &self.entry.report;
        // Escaped, so that no name can look like a line of its own or hide part of one.
        let repo = report.repo.as_str().escape_debug();
        let server = report.server.as_str().escape_debug();
        match self.news {
            News::Updated | News::OnlyTimes => {
                let (status, count) = (report.sync_status.as_str(), report.drift_count.get());
                format!("Status update: {repo}:{server} -> {status} (drift_count: {count})")
            }
            News::Silent => {
                format!("Status stale: {repo}:{server}, silent since {}", self.entry.updated_at)
            }
            News::Expired => {
                format!("Status expired: {repo}:{server}, silent since {}", self.entry.updated_at)
            }
            News::Deleted => format!("Status removed: {repo}:{server}"),
        }
    }
}
