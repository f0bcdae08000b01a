//! The parameters of a timeline: filters, time, and how many rows.

use std::time::Duration;

use super::{QueryString, range};
use crate::domain::{Filter, TimelineQuery, Timestamp};
use crate::http::error::ApiError;

/// How many rows there are at most if nothing is said.
const USUAL_LIMIT: usize = 20_000;
/// The largest `limit`.
const MAX_LIMIT: usize = 100_000;
/// How long a timeline is if nothing is said.
const USUAL_SPAN: Duration = Duration::from_hours(24);

/// What a timeline is asked for.
pub(in crate::http) struct TimelineRequest {
    pub(in crate::http) filter: Filter,
    pub(in crate::http) query: TimelineQuery,
}

impl TimelineRequest {
    /// Reads a query string that was sent at a moment.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str, now: Timestamp) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["from", "to", "limit"])?;
        let (from, to) = sent.range()?;
        let to = to.unwrap_or(now);
        let range = range(from.unwrap_or(to.minus(USUAL_SPAN)), to)?;
        let limit = sent.limit(1..=MAX_LIMIT)?.unwrap_or(USUAL_LIMIT);
        Ok(Self { filter: sent.filter()?, query: TimelineQuery { range, limit } })
    }
}
