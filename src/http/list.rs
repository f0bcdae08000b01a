//! The list of entries: `GET /status.json` and `GET /status.csv`.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use actix_web::web::Data;
use actix_web::{Handler, HttpRequest, HttpResponse};

use super::answer::{self, Content};
use super::caching::Caching;
use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::{MAX_LIMIT, QueryString};
use super::representation::{Rendered, Representation, Weight};
use super::sending::Rendering;
use super::services::Services;
use super::whole_list::WholeList;
use crate::domain::{Effort, Order, Selection, Snapshot, Timestamp};
use crate::render::{self, Format, Layout, RenderError, Rows, Shape};

/// Returns the handler of the list in one format.
pub(super) fn list(
    format: Format,
) -> impl Handler<(Caller, HttpRequest, Data<Services>), Output = Result<HttpResponse, ApiError>> {
    move |_: Caller, request: HttpRequest, services: Data<Services>| async move {
        let query = ListQuery::parse(request.query_string(), format)?;
        if query.is_plain() && query.selection.is_everything() {
            return whole_list(&request, &services).await;
        }
        let list = Representation::json(query, ListQuery::weight, ListQuery::body);
        match format {
            Format::Json => list.answer(&request, &services).await,
            Format::Csv => {
                let list = Representation { media_type: "text/csv; charset=utf-8", ..list };
                let mut answer = list.answer(&request, &services).await?;
                let name = as_file(services.clock.read().wall);
                answer.headers_mut().insert(CONTENT_DISPOSITION, name);
                Ok(answer)
            }
        }
    }
}

/// Names the file that a browser makes of an answer, with the day.
fn as_file(now: Timestamp) -> HeaderValue {
    let day: String = now.to_string().chars().take("2026-04-21".len()).collect();
    let name = format!("attachment; filename=\"status-{day}.csv\"");
    // Digits and hyphens are always a value of a header.
    HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Answers with the list of everything, unless the client has it already.
async fn whole_list(request: &HttpRequest, services: &Services) -> Result<HttpResponse, ApiError> {
    let snapshot = services.board.snapshot();
    let coding = Coding::negotiate(request.headers());
    let tag = WholeList::tag(&snapshot, coding);
    let cache_control = Caching::Revalidated.header(services);
    if tag.is_known_to(request.headers()) {
        return Ok(answer::not_modified(&tag, cache_control));
    }
    let WholeList { tag, parts, total } = if WholeList::is_quick(&snapshot, coding) {
        WholeList::join(tag, &snapshot, coding)?
    } else {
        drop(snapshot);
        services.whole_lists.next(&services.board, &services.work, coding).await?
    };
    let content = Content {
        media_type: "application/json",
        cache_control,
        coding,
        total: Some(total),
        body: services.sending.ready(parts),
    };
    Ok(answer::content(&tag, content))
}

/// Checks a query string.
pub(super) fn check_query(query: &str, format: Format) -> Result<(), ApiError> {
    ListQuery::parse(query, format).map(drop)
}

/// Which entries to list, and how to write them.
#[derive(Hash)]
pub(super) struct ListQuery {
    pub(super) selection: Selection,
    pub(super) layout: Layout,
    pub(super) format: Format,
}

impl ListQuery {
    /// Reads filters, `flat`, `fields`, `sort`, `limit` and `offset`.
    pub(super) fn parse(query: &str, format: Format) -> Result<Self, ApiError> {
        let others = ["flat", "fields", "sort", "limit", "offset"];
        let sent = QueryString::with_filters(query, &others)?;
        let filter = sent.filter()?;
        let shape = match (sent.boolean("flat")?, format) {
            (Some(true), _) | (_, Format::Csv) => Shape::Flat,
            (Some(false) | None, Format::Json) => Shape::Nested,
        };
        let order = sent.sort(shape)?.map_or(Order::Natural, Order::By);
        let (limit, offset) = (sent.limit(1..=MAX_LIMIT)?, sent.offset()?);
        let columns = shape.columns().iter().map(|column| (column.name(), *column));
        let layout = Layout { shape, only: sent.fields(columns)? };
        Ok(Self { selection: Selection { filter, order, limit, offset }, layout, format })
    }

    /// Whether segments keep rows of this layout ready.
    fn is_plain(&self) -> bool {
        self.format == Format::Json && self.layout == Layout::PLAIN
    }

    fn weight(&self, snapshot: &Snapshot) -> Weight {
        Weight::of_writing(&self.selection, snapshot)
    }

    fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        effort: &mut Effort<'_>,
    ) -> Result<Rendered, RenderError> {
        let selected = self.selection.select(snapshot, effort)?;
        let ready = if self.is_plain() { render::ready_list(&selected)? } else { None };
        let rendering = match ready {
            Some(parts) => Rendering::Ready(parts),
            None => Rendering::begin(Rows::new(&selected, self.layout.clone(), self.format))?,
        };
        Ok(Rendered { rendering, total: Some(selected.total) })
    }
}
