//! The parameters of a list: filters, order, page, and the shape of its rows.

use super::{MAX_LIMIT, QueryString, must_be};
use crate::domain::{Column, Order, Selection, Sort};
use crate::http::error::ApiError;
use crate::render::{Layout, Shape};

/// What a list is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::http) struct ListQuery {
    pub(in crate::http) selection: Selection,
    pub(in crate::http) layout: Layout,
}

impl ListQuery {
    /// Reads the query string of a list whose rows have this shape unless it says otherwise.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(in crate::http) fn parse(query: &str, shape: Shape) -> Result<Self, ApiError> {
        let others = ["flat", "fields", "sort", "limit", "offset"];
        let sent = QueryString::with_filters(query, &others)?;
        let filter = sent.filter()?;
        let shape = match sent.truth("flat")? {
            Some(true) => Shape::Flat,
            Some(false) | None => shape,
        };
        let order = match sent.single("sort")? {
            Some(column) => Order::By(sort_by(column, shape)?),
            None => Order::Natural,
        };
        let selection =
            Selection { filter, order, limit: sent.limit(1..=MAX_LIMIT)?, offset: sent.offset()? };
        let columns = shape.columns().iter().map(|column| (column.name(), *column));
        Ok(Self { selection, layout: Layout { shape, only: sent.fields(columns)? } })
    }
}

pub(super) fn sort_by(text: &str, shape: Shape) -> Result<Sort, ApiError> {
    let (descending, name) = match text.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, text),
    };
    let sortable = || shape.columns().iter().copied().filter(|column| shape.can_sort_by(*column));
    let column = sortable().find(|column| column.name() == name);
    let column = column.ok_or_else(|| {
        let known = sortable().map(Column::name).collect::<Vec<_>>().join(", ");
        must_be("sort", &format!("one of {known}, with - in front for descending"))
    })?;
    Ok(Sort { column, descending })
}
