//! Where a file has drifted: `GET /file`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{context, made, problem, unwritable};
use crate::http::access::Caller;
use crate::http::error::ApiError;
use crate::http::query::file_name;
use crate::http::services::Services;
use crate::page::FilePage;

/// `GET /file?name=F`
pub(in crate::http) async fn file(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let page = match file_name(request.query_string()) {
        Ok(name) => FilePage { name },
        Err(error) => return problem(&request, &services, &error),
    };
    let (board, context) = (services.board.clone(), context(&request, &services));
    // The files of every drifted entry are looked at.
    let room = &services.work.reads;
    let text = room.run(&request, move |effort| {
        page.render(&board.snapshot(), &context, effort).map_err(unwritable)
    });
    made(&request, StatusCode::OK, text.await?)
}
