//! The log's line for a change that is on disk.

use log::Level;

use crate::domain::{Change, Event, Omitted};

/// Logs a change.
pub(super) fn write(change: &Change) {
    let level = level(change);
    // The text takes longer to make than to look whether anybody reads it.
    if log::log_enabled!(level) {
        log::log!(level, "{}", text(change));
    }
}

fn level(change: &Change) -> Level {
    if change.omitted != Omitted::default() {
        Level::Warn
    } else if change.is_news {
        Level::Info
    } else {
        Level::Debug
    }
}

fn text(change: &Change) -> String {
    let Change { entry, event, is_news: _, omitted, by } = change;
    let (report, since) = (&entry.report, entry.updated_at);
    // Escaped, so that a name cannot look like another line or hide a part of this one.
    let (repo, server) = (report.repo.as_str(), report.server.as_str());
    let pair = format!("{}:{}", repo.escape_debug(), server.escape_debug());
    let by = by.as_ref().map(|by| format!(" by {}", by.as_str().escape_debug()));
    let by = by.unwrap_or_default();
    match event {
        Some(Event::Stale) => format!("Status stale: {pair}, silent since {since}"),
        Some(Event::Expired) => format!("Status expired: {pair}, silent since {since}"),
        Some(Event::Deleted) => format!("Status removed: {pair}{by}"),
        Some(Event::First | Event::Drifted | Event::Synced | Event::Changed | Event::Fresh)
        | None => {
            let (status, count) = (report.sync_status.as_str(), report.drift_count.get());
            let line = format!("Status update: {pair} -> {status} (drift_count: {count}){by}");
            let omitted: Vec<&str> = omitted.fields().collect();
            if omitted.is_empty() {
                return line;
            }
            format!("{line}, without {}: max_stored_bytes is reached", omitted.join(", "))
        }
    }
}
