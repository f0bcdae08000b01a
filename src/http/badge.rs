//! A badge of a selection: `GET /badge.svg`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::BadgeQuery;
use super::question::{self, MANY_ENTRIES, Page, Resource};
use super::sending::Begun;
use super::services::Services;
use crate::domain::{Effort, Selection, Snapshot};
use crate::render::{self, RenderError};

/// `GET /badge.svg`
pub(super) async fn badge(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let BadgeQuery { filter, label } = BadgeQuery::parse(request.query_string())?;
    let selection = Selection { filter, ..Selection::default() };
    question::answer(&request, &services, Badge { selection, label }).await
}

/// What a badge is about, and the text on its left.
#[derive(Hash)]
struct Badge {
    selection: Selection,
    label: String,
}

impl Resource for Badge {
    fn media_type(&self) -> &'static str {
        "image/svg+xml"
    }

    fn cache_control(&self) -> &'static str {
        // The proxies of GitHub and GitLab keep a picture for hours unless they are told how long.
        "max-age=60"
    }

    fn is_quick(&self, snapshot: &Snapshot, _: Coding) -> bool {
        !self.selection.filter.looks_at_files() && self.selection.cost(snapshot) < MANY_ENTRIES
    }

    fn page(&self, snapshot: &Arc<Snapshot>, effort: &mut Effort<'_>) -> Result<Page, RenderError> {
        let badge = render::badge(&self.selection.select(snapshot, effort)?, &self.label);
        Ok(Page { begun: Begun::Small(badge.into()), total: None })
    }
}
