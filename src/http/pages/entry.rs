//! The page of one entry: `GET /entry`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::html::{self, context, problem, unwritable};
use crate::access::Right;
use crate::domain::{Cursor, Filter, HistoryQuery, Key, Names, TimeRange, Timestamp};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::query::{QueryString, must_be};
use crate::http::request_log;
use crate::http::services::Services;
use crate::page::{EntryHistory, EntryPage};

/// How many transitions the page shows at once.
const TRANSITIONS_SHOWN: usize = 50;

/// `GET /entry?repo=R&server=S`
pub(in crate::http) async fn entry(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (key, after) = match parse(request.query_string()) {
        Ok(query) => query,
        Err(error) => return problem(&request, &services, &error),
    };
    let filter = Filter {
        repo: Names::literal(key.repo.as_str()),
        server: Names::literal(key.server.as_str()),
        ..Filter::default()
    };
    let query = HistoryQuery {
        filter,
        events: Vec::new(),
        range: TimeRange::ALL,
        after,
        limit: TRANSITIONS_SHOWN,
    };
    // The entry itself is in memory, and is shown even if its history cannot be read.
    let (board, room) = (services.board.clone(), services.work.past(&query.filter));
    let history = room.ask(&request, async move |_| Ok(board.history(&query).await?));
    let history = history.await.inspect_err(|error| request_log::note_fault(&request, error));
    let history = history.map_or(EntryHistory::Unavailable, EntryHistory::Known);
    let snapshot = services.board.snapshot();
    let context = context(&request, &services, caller.token());
    let may_remove = caller.may(Right::Delete, key.borrow());
    let page = services.work.short_reads.run(&request, move |_| {
        let page = EntryPage {
            key: key.borrow(),
            standing: snapshot.get_removable(key.borrow()),
            history,
            is_older: after.is_some(),
            may_remove,
        };
        let status = if page.is_unknown() { StatusCode::NOT_FOUND } else { StatusCode::OK };
        page.render(&context).map(|text| (status, text)).map_err(unwritable)
    });
    let (status, text) = page.await?;
    html::page(&request, status, text)
}

/// Checks a query string.
pub(in crate::http) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    parse(query).map(drop)
}

/// Reads `repo` and `server`, and `cursor`, where the shown part of the history begins.
fn parse(query: &str) -> Result<(Key, Option<Cursor>), ApiError> {
    let sent = QueryString::parse(query, &["repo", "server", "cursor"])?;
    let key = sent.key("given: which entry is meant")?;
    let after = sent
        .single("cursor")?
        .map(|text| Cursor::parse(text).ok_or_else(|| must_be("cursor", "what a link to it had")));
    Ok((key, after.transpose()?))
}
