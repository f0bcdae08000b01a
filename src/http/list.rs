//! The list of entries: `GET /status.json` and `GET /status.csv`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::ListQuery;
use super::question::{self, MANY_ENTRIES, Page, Ready, Resource, SharedAnswer, TaggedBody};
use super::sending::Begun;
use super::services::Services;
use super::single_flight::SingleFlight;
use crate::domain::{Effort, Snapshot};
use crate::render::{self, Format, Layout, RenderError, Rows, Shape};

/// `GET /status.json`
pub(super) async fn status_json(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), Shape::Nested)?;
    question::answer(&request, &services, List { query, format: Format::Json }).await
}

/// `GET /status.csv`
pub(super) async fn status_csv(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let query = ListQuery::parse(request.query_string(), Shape::Flat)?;
    question::answer(&request, &services, List { query, format: Format::Csv }).await
}

/// The whole list in each coding, while it is being made.
#[derive(Default)]
pub struct WholeLists {
    identity: SingleFlight<TaggedBody>,
    gzip: SingleFlight<TaggedBody>,
    brotli: SingleFlight<TaggedBody>,
}

impl WholeLists {
    fn coded(&self, coding: Coding) -> &SingleFlight<TaggedBody> {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        }
    }
}

/// What a list is asked for, and how it is written.
#[derive(Hash)]
struct List {
    query: ListQuery,
    format: Format,
}

impl List {
    /// Whether it is everything as it is kept ready.
    fn is_whole(&self) -> bool {
        let Self { query, format } = self;
        let is_plain = *format == Format::Json && query.layout == Layout::PLAIN;
        is_plain && query.selection.is_everything()
    }
}

impl Resource for List {
    fn media_type(&self) -> &'static str {
        match self.format {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
        }
    }

    fn is_quick(&self, snapshot: &Snapshot, coding: Coding) -> bool {
        if self.is_whole() {
            return match coding {
                Coding::Gzip => render::is_whole_gzip_ready(snapshot),
                Coding::Identity => render::is_whole_nearly_ready(snapshot),
                Coding::Brotli => false,
            };
        }
        let selection = &self.query.selection;
        !selection.filter.looks_at_files() && selection.cost(snapshot) < MANY_ENTRIES
    }

    fn shared<'a>(&self, services: &'a Services, coding: Coding) -> Option<SharedAnswer<'a>> {
        let place = services.whole_lists.coded(coding);
        self.is_whole().then_some(SharedAnswer { place, make: whole })
    }

    fn page(&self, snapshot: &Arc<Snapshot>, effort: &mut Effort<'_>) -> Result<Page, RenderError> {
        let Self { query: ListQuery { selection, layout }, format } = self;
        let selected = selection.select(snapshot, effort)?;
        let is_plain = *format == Format::Json && *layout == Layout::PLAIN;
        let ready = if is_plain { render::ready_list(&selected)? } else { None };
        let begun = match ready {
            Some(parts) => Begun::Ready(parts),
            None => Begun::new(Rows::new(&selected, layout.clone(), *format))?,
        };
        Ok(Page { begun, total: Some(selected.total) })
    }
}

/// Joins the list of everything from what the segments have ready.
fn whole(snapshot: &Snapshot, coding: Coding) -> Result<Ready, RenderError> {
    let parts = match coding {
        Coding::Identity => render::whole(snapshot)?,
        Coding::Gzip => vec![render::whole_gzip(snapshot)?],
        Coding::Brotli => vec![coding.encode(&render::whole(snapshot)?)?],
    };
    Ok(Ready { parts, total: snapshot.listed() })
}
