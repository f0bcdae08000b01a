//! The history: `GET /api/history`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::query::HistoryRequest;
use super::sending::Begun;
use super::services::Services;
use crate::render;

/// `GET /api/history`
pub(super) async fn history(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let HistoryRequest { query, flat } = HistoryRequest::parse(request.query_string())?;
    let place = services.sending.place(Coding::negotiate(request.headers()));
    let coding = place.coding;
    let (board, room) = (services.board.clone(), services.work.past(&query.filter));
    let begun = room.ask(&request, async move |_| {
        let page = board.history(&query).await?;
        Ok(Begun::new(render::history(page, flat))?.coded(coding)?)
    });
    Ok(services.sending.fleeting(&request, begun.await?, place))
}
