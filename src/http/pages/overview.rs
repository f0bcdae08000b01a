//! The overview: `GET /`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{CACHE_CONTROL, MEDIA_TYPE, context, guarded, unwritable};
use crate::domain::{Effort, Snapshot};
use crate::http::access::Caller;
use crate::http::coding::Coding;
use crate::http::error::ApiError;
use crate::http::query::overview_request;
use crate::http::question::{self, MANY_ENTRIES, Page, Resource, SHORT_ENTRIES};
use crate::http::sending::Begun;
use crate::http::services::Services;
use crate::page::{self, OverviewQuery, PageContext};
use crate::render::RenderError;

/// `GET /`
pub(in crate::http) async fn overview(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let asked = overview_request(request.query_string());
    let overview = Overview { asked, context: context(&request, &services) };
    question::answer(&request, &services, overview).await.map(guarded)
}

struct Overview {
    asked: OverviewQuery,
    context: PageContext,
}

/// What the page shows but for the ages, which a script keeps up to date.
impl Hash for Overview {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { asked, context: PageContext { now: _, origin } } = self;
        (asked, origin).hash(state);
    }
}

impl Resource for Overview {
    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn cache_control(&self) -> &'static str {
        CACHE_CONTROL
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn is_quick(&self, state: &Snapshot, _: Coding) -> bool {
        let selection = &self.asked.selection;
        // A row takes as long as many looks at entries.
        let rows = selection.limit.unwrap_or(MANY_ENTRIES);
        let is_small = selection.cost(state).max(10 * rows) < MANY_ENTRIES;
        is_small && !selection.filter.looks_at_files()
    }

    fn is_short(&self, state: &Snapshot) -> bool {
        let selection = &self.asked.selection;
        !selection.filter.looks_at_files() && selection.cost(state) < SHORT_ENTRIES
    }

    fn page(&self, state: &Arc<Snapshot>, effort: &mut Effort<'_>) -> Result<Page, RenderError> {
        let text = page::overview(state, &self.asked, &self.context, effort).map_err(unwritable)?;
        Ok(Page { begun: Begun::Small(text.into()), total: None })
    }
}
