//! Where a file has drifted: `GET /file`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{context, made, problem, unwritable};
use crate::http::Services;
use crate::http::error::ApiError;
use crate::http::openapi::{parameter, schema};
use crate::http::query::file_name;
use crate::page::FilePage;

/// `GET /file?name=F`
#[utoipa::path(
    get,
    path = "/file",
    summary = "The page of one file name",
    params(parameter::File),
    responses(
        (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
        (status = 400, description = "A page that says which parameter is wrong", body = String, content_type = "text/html; charset=utf-8"),
        (status = 503, description = "Too much is being asked at once, or it takes too long", body = schema::Failure),
    ),
)]
pub(in crate::http) async fn file(
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
