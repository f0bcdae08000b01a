//! The parameters of a stream of changes.

use super::QueryString;
use crate::domain::{Column, Filter};
use crate::http::error::ApiError;
use crate::render::{Layout, Shape};

/// What a stream tells, and after what.
#[derive(Clone, Debug)]
pub(in crate::http) struct EventsQuery {
    pub(in crate::http) filter: Filter,
    pub(in crate::http) layout: Layout,
    pub(in crate::http) last_event_id: Option<String>,
}

impl EventsQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["fields", "last_event_id"])?;
        let shape = Shape::Nested;
        let columns = shape.columns().iter().map(|column| (Column::name(*column), *column));
        Ok(Self {
            filter: sent.filter()?,
            layout: Layout { shape, only: sent.fields(columns)? },
            last_event_id: sent.single("last_event_id")?.map(str::to_owned),
        })
    }
}
