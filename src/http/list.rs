//! The list of entries: `GET /status.json` and `GET /status.csv`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::Services;
use super::answer::{self, Content};
use super::coding::Coding;
use super::error::ApiError;
use super::etag::Tag;
use super::query::ListQuery;
use super::shared::Shared;
use crate::domain::State;
use crate::render::{self, Layout, RenderError, Shape};

/// From how many entries on an answer is worked out beside the threads that serve requests.
const MANY_ENTRIES: usize = 2048;

/// How the list is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Format {
    Json,
    Csv,
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// `GET /status.json`
pub(super) async fn status_json(
    request: HttpRequest,
    services: web::Data<Services>,
) -> Result<HttpResponse, ApiError> {
    list(&request, &services, Format::Json, Shape::Nested).await
}

/// `GET /status.csv`
pub(super) async fn status_csv(
    request: HttpRequest,
    services: web::Data<Services>,
) -> Result<HttpResponse, ApiError> {
    list(&request, &services, Format::Csv, Shape::Flat).await
}

/// The whole list in each coding, while it is being made.
#[derive(Default)]
pub struct WholeLists {
    identity: Shared<Made>,
    gzip: Shared<Made>,
    brotli: Shared<Made>,
}

impl WholeLists {
    fn coded(&self, coding: Coding) -> &Shared<Made> {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        }
    }
}

/// A page and what it is a page of.
#[derive(Clone)]
struct Made {
    tag: Tag,
    page: Page,
}

/// One page of the list.
#[derive(Clone)]
struct Page {
    parts: Vec<Bytes>,
    total: usize,
}

async fn list(
    request: &HttpRequest,
    services: &Services,
    format: Format,
    shape: Shape,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), shape)?;
    let state = services.board.snapshot();
    let coding = Coding::negotiate(request.headers());
    let tag = Tag::new(&state, &(&query, format), coding);
    if tag.is_known_to(request.headers()) {
        return Ok(answer::not_modified(&tag));
    }
    let Made { tag, page } = if is_ready(&state, &query, format, coding) {
        Made { tag, page: page(&state, &query, format, coding)? }
    } else if is_whole(&query, format) {
        drop(state);
        let made = services.whole_lists.coded(coding);
        made.get(async || make(services.board.snapshot(), query, format, coding).await).await?
    } else {
        make(state, query, format, coding).await?
    };
    let content = Content { media_type: format.media_type(), coding, parts: page.parts };
    Ok(answer::content(&tag, page.total, content))
}

/// Makes a page beside the threads that serve requests.
async fn make(
    state: Arc<State>,
    query: ListQuery,
    format: Format,
    coding: Coding,
) -> Result<Made, ApiError> {
    let tag = Tag::new(&state, &(&query, format), coding);
    let page = web::block(move || page(&state, &query, format, coding)).await;
    Ok(Made { tag, page: page.map_err(|_| ApiError::Lost)?? })
}

/// Whether a query is for everything as it is kept ready.
fn is_whole(query: &ListQuery, format: Format) -> bool {
    let plain = Layout { shape: Shape::Nested, only: None };
    format == Format::Json && query.layout == plain && query.selection.is_everything()
}

/// Whether a page takes so little work that it is best done at once.
fn is_ready(state: &State, query: &ListQuery, format: Format, coding: Coding) -> bool {
    if is_whole(query, format) {
        return match coding {
            Coding::Gzip => state.packed().get().is_some(),
            Coding::Identity => {
                let segments = state.segments().iter();
                let unready = segments.filter(|segment| segment.memo().rows.get().is_none());
                unready.take(3).count() < 3
            }
            Coding::Brotli => false,
        };
    }
    !query.selection.filter.looks_at_files() && query.selection.cost(state) < MANY_ENTRIES
}

fn page(
    state: &Arc<State>,
    query: &ListQuery,
    format: Format,
    coding: Coding,
) -> Result<Page, RenderError> {
    if is_whole(query, format) {
        let parts = match coding {
            Coding::Identity => render::whole(state)?,
            Coding::Gzip => vec![render::whole_gzip(state)?],
            Coding::Brotli => vec![coding.encode(&render::whole(state)?)?],
        };
        return Ok(Page { parts, total: state.listed() });
    }
    let selected = query.selection.select(state);
    let bytes = match format {
        Format::Json => render::json(&selected, &query.layout)?,
        Format::Csv => render::csv(&selected, &query.layout)?,
    };
    let bytes = match coding {
        Coding::Identity => bytes,
        Coding::Gzip | Coding::Brotli => coding.encode(&[bytes])?,
    };
    Ok(Page { parts: vec![bytes], total: selected.total })
}
