//! The parameters of figures: filters, and what of the rows is shown.

use super::{MAX_LIMIT, QueryString};
use crate::domain::Filter;
use crate::http::error::ApiError;
use crate::render::{Figures, RowWindow};

/// What figures are asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::http) struct FiguresQuery {
    pub(in crate::http) filter: Filter,
    pub(in crate::http) window: RowWindow,
}

impl FiguresQuery {
    /// Reads the query string of a path with these figures.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str, figures: Figures) -> Result<Self, ApiError> {
        let others: &[&str] = match figures {
            Figures::Summary => &["fields"],
            Figures::Repos | Figures::Servers | Figures::Files => &["fields", "limit", "offset"],
        };
        let sent = QueryString::with_filters(query, others)?;
        let columns = figures.columns().iter().enumerate().map(|(place, name)| (*name, place));
        let filter = sent.filter()?;
        let only = sent.fields(columns)?;
        let (limit, offset) = (sent.limit(1..=MAX_LIMIT)?, sent.offset()?);
        Ok(Self { filter, window: RowWindow { only, limit, offset } })
    }
}
