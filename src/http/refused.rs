//! The log of refused updates, by which a broken reporter is found. It is kept short, since a reporter
//! may send the same wrong update for ever.

use std::sync::Mutex;
use std::time::Duration;

use actix_web::{HttpRequest, ResponseError};

use super::error::ApiError;
use super::request_log::Asked;
use crate::mutex::locked;

/// How long nothing is logged after a line.
const PAUSE: Duration = Duration::from_secs(10);

/// Logs refused updates, one in ten seconds at most.
#[derive(Debug, Default)]
pub struct RefusedUpdates(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// Until when nothing is logged, by the monotonic clock.
    silent_until: Duration,
    /// How many updates were refused since the last line.
    unlogged: u64,
}

impl RefusedUpdates {
    /// Logs an update that was refused for a fault of its own, unless a line was just logged.
    pub(super) fn note(&self, request: &HttpRequest, error: &ApiError, now: Duration) {
        if !error.status_code().is_client_error() {
            return;
        }
        let mut progress = locked(&self.0);
        if now < progress.silent_until {
            progress.unlogged += 1;
            return;
        }
        let others = match progress.unlogged {
            0 => String::new(),
            unlogged => format!(" ({unlogged} others were not logged)"),
        };
        *progress = Progress { silent_until: now + PAUSE, unlogged: 0 };
        drop(progress);
        let reason = error.reason().unwrap_or_default();
        log::info!("{} was refused{others}: {reason}", Asked::of(request));
    }
}
