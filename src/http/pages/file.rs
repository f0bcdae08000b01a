//! The page that shows where a file has drifted: `GET /file`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::html::{self, context, problem, unwritable};
use crate::domain::{FileName, Timestamp};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::query::{QueryString, must_be};
use crate::http::services::Services;
use crate::page::FilePage;

/// `GET /file?name=F`
pub(in crate::http) async fn file(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let page = match parse(request.query_string()) {
        Ok(name) => FilePage { name },
        Err(error) => return problem(&request, &services, &error),
    };
    let (board, context) = (services.board.clone(), context(&request, &services, caller.token()));
    let text = services.work.reads.run(&request, move |effort| {
        page.render(&board.snapshot(), &context, effort).map_err(unwritable)
    });
    html::page(&request, StatusCode::OK, text.await?)
}

/// Checks a query string.
pub(in crate::http) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    parse(query).map(drop)
}

/// Reads `name`.
fn parse(query: &str) -> Result<FileName, ApiError> {
    let sent = QueryString::parse(query, &["name"])?;
    let name = sent.single("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| must_be("name", "given: which file is meant"))?;
    Ok(FileName::parse(name)?)
}
