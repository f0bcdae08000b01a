//! Figures: `GET /api/summary`, `/api/repos`, `/api/servers` and `/api/files`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Services;
use super::coding::Coding;
use super::error::ApiError;
use super::query::FiguresQuery;
use super::question::{self, MANY_ENTRIES, Page, Question};
use crate::domain::{Selection, State};
use crate::render::{self, Figures, RenderError};

/// `GET /api/summary`
pub(super) async fn summary(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Summary).await
}

/// `GET /api/repos`
pub(super) async fn repos(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Repos).await
}

/// `GET /api/servers`
pub(super) async fn servers(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    count(&request, &services, Figures::Servers).await
}

/// `GET /api/files`
pub(super) async fn files(
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
    let FiguresQuery { filter, cut } = FiguresQuery::parse(request.query_string(), figures)?;
    let selection = Selection { filter, ..Selection::default() };
    question::answer(request, services, Count { figures, selection, cut }).await
}

/// What is to be counted, and how it is shown.
#[derive(Hash)]
struct Count {
    figures: Figures,
    selection: Selection,
    cut: render::Cut,
}

impl Question for Count {
    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn is_quick(&self, state: &State, _: Coding) -> bool {
        let looks_at_files =
            self.figures == Figures::Files || self.selection.filter.looks_at_files();
        !looks_at_files && self.selection.cost(state) < MANY_ENTRIES
    }

    fn page(&self, state: &Arc<State>, coding: Coding) -> Result<Page, RenderError> {
        let Self { figures, selection, cut } = self;
        let selected = selection.select(state);
        let (bytes, total) = render::figures(*figures, &selected, &selection.filter.file, cut)?;
        Page::coded(bytes, total, coding)
    }
}
