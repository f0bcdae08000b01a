//! The log's line for a change that is on disk.

use log::Level;

use crate::domain::{Change, Entry, Event, Omitted};

/// Logs a change.
pub(super) fn write(change: &Change) {
    let line = LogLine::of(change);
    // The text takes longer to make than to look whether anybody reads it.
    if log::log_enabled!(line.level()) {
        log::log!(line.level(), "{}", line.text());
    }
}

/// A change, in the words of the log.
struct LogLine<'a> {
    entry: &'a Entry,
    news: News,
    omitted: Omitted,
}

enum News {
    Updated,
    OnlyTimes,
    Silent,
    Expired,
    Deleted,
}

impl News {
    fn level(&self) -> Level {
        match self {
            Self::OnlyTimes => Level::Debug,
            Self::Updated | Self::Silent | Self::Expired | Self::Deleted => Level::Info,
        }
    }
}

impl<'a> LogLine<'a> {
    fn of(change: &'a Change) -> Self {
        let Change { entry, event, is_news, omitted } = change;
        let news = match event {
            Some(Event::Stale) => News::Silent,
            Some(Event::Expired) => News::Expired,
            Some(Event::Deleted) => News::Deleted,
            Some(Event::First | Event::Drifted | Event::Synced | Event::Changed | Event::Fresh)
            | None => {
                if *is_news {
                    News::Updated
                } else {
                    News::OnlyTimes
                }
            }
        };
        Self { entry, news, omitted: *omitted }
    }

    fn level(&self) -> Level {
        if self.omitted == Omitted::default() { self.news.level() } else { Level::Warn }
    }

    fn text(&self) -> String {
        let report = &self.entry.report;
        // Escaped, so that a name cannot look like another line or hide a part of this one.
        let repo = report.repo.as_str().escape_debug();
        let server = report.server.as_str().escape_debug();
        match self.news {
            News::Updated | News::OnlyTimes => {
                let (status, count) = (report.sync_status.as_str(), report.drift_count.get());
                let line =
                    format!("Status update: {repo}:{server} -> {status} (drift_count: {count})");
                let omitted: Vec<&str> = self.omitted.fields().collect();
                if omitted.is_empty() {
                    return line;
                }
                format!("{line}, without {}: max_stored_bytes is reached", omitted.join(", "))
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
