//! Figures: `GET /api/summary`, `/api/repos`, `/api/servers` and `/api/files`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{Handler, HttpRequest, HttpResponse};

use super::caller::Caller;
use super::error::ApiError;
use super::query::{MAX_LIMIT, QueryString};
use super::representation::{Rendered, Representation, Weight};
use super::sending::Rendering;
use super::services::Services;
use crate::domain::{Effort, Selection, Snapshot};
use crate::render::{self, Figures, RenderError, RowWindow};

/// Returns the handler of one kind of figures.
pub(super) fn figures(
    figures: Figures,
) -> impl Handler<(Caller, HttpRequest, Data<Services>), Output = Result<HttpResponse, ApiError>> {
    move |_: Caller, request: HttpRequest, services: Data<Services>| async move {
        let query = FiguresQuery::parse(request.query_string(), figures)?;
        let figures = Representation::json(query, FiguresQuery::weight, FiguresQuery::body);
        figures.answer(&request, &services).await
    }
}

/// Checks a query string.
pub(super) fn check_query(query: &str, figures: Figures) -> Result<(), ApiError> {
    FiguresQuery::parse(query, figures).map(drop)
}

/// Which entries to count, by what, and which rows and columns to show.
#[derive(Hash)]
struct FiguresQuery {
    figures: Figures,
    selection: Selection,
    window: RowWindow,
}

impl FiguresQuery {
    /// Reads filters and `fields`, and `limit` and `offset` of figures that have several rows.
    fn parse(query: &str, figures: Figures) -> Result<Self, ApiError> {
        let others: &[&str] = match figures {
            Figures::Summary => &["fields"],
            Figures::Repos | Figures::Servers | Figures::Files => &["fields", "limit", "offset"],
        };
        let sent = QueryString::with_filters(query, others)?;
        let columns = figures.columns().iter().enumerate().map(|(index, name)| (*name, index));
        let selection = Selection { filter: sent.filter()?, ..Selection::default() };
        let only = sent.fields(columns)?;
        let (limit, offset) = (sent.limit(1..=MAX_LIMIT)?, sent.offset()?);
        Ok(Self { figures, selection, window: RowWindow { only, limit, offset } })
    }

    fn weight(&self, snapshot: &Snapshot) -> Weight {
        match self.figures {
            Figures::Summary | Figures::Repos | Figures::Servers => {
                Weight::of_counting(&self.selection, snapshot)
            }
            Figures::Files => Weight::Long,
        }
    }

    fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        effort: &mut Effort<'_>,
    ) -> Result<Rendered, RenderError> {
        let Self { figures, selection, window } = self;
        let selected = selection.select(snapshot, effort)?;
        let (rows, total) =
            render::figures(*figures, &selected, &selection.filter.file, window, effort)?;
        Ok(Rendered { rendering: Rendering::begin(rows)?, total })
    }
}
