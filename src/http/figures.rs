//! Figures: `GET /api/summary`, `/api/repos`, `/api/servers` and `/api/files`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::FiguresQuery;
use super::question::{self, MANY_ENTRIES, Page, Resource, SHORT_ENTRIES};
use super::sending::Begun;
use super::services::Services;
use crate::domain::{Effort, Selection, Snapshot};
use crate::render::{self, Figures, RenderError};

/// `GET /api/summary`
pub(super) async fn summary(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Summary).await
}

/// `GET /api/repos`
pub(super) async fn repos(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Repos).await
}

/// `GET /api/servers`
pub(super) async fn servers(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Servers).await
}

/// `GET /api/files`
pub(super) async fn files(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Files).await
}

async fn count(
    request: &HttpRequest,
    services: &Services,
    figures: Figures,
) -> Result<HttpResponse, ApiError> {
    let FiguresQuery { filter, window } = FiguresQuery::parse(request.query_string(), figures)?;
    let selection = Selection { filter, ..Selection::default() };
    question::answer(request, services, Count { figures, selection, window }).await
}

/// What is to be counted, and how it is shown.
#[derive(Hash)]
struct Count {
    figures: Figures,
    selection: Selection,
    window: render::RowWindow,
}

impl Count {
    fn looks_at_files(&self) -> bool {
        self.figures == Figures::Files || self.selection.filter.looks_at_files()
    }
}

impl Resource for Count {
    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn is_quick(&self, snapshot: &Snapshot, _: Coding) -> bool {
        !self.looks_at_files() && self.selection.cost(snapshot) < MANY_ENTRIES
    }

    fn is_short(&self, snapshot: &Snapshot) -> bool {
        !self.looks_at_files() && self.selection.cost(snapshot) < SHORT_ENTRIES
    }

    fn page(&self, snapshot: &Arc<Snapshot>, effort: &mut Effort<'_>) -> Result<Page, RenderError> {
        let Self { figures, selection, window } = self;
        let selected = selection.select(snapshot, effort)?;
        let (rows, total) =
            render::figures(*figures, &selected, &selection.filter.file, window, effort)?;
        Ok(Page { begun: Begun::new(rows)?, total })
    }
}
