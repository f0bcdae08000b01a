//! The description of the API for programs: `GET /openapi.json`.
//!
//! Each handler says above itself which path it is, what it takes and what it answers. What the
//! JSON looks like stands in [`schema`], the parameters in [`parameter`].

pub(super) mod parameter;
pub(super) mod schema;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;

use super::coding::Coding;
use super::error::ApiError;
use super::{
    Services, answer, badge, events, figures, health, history, list, metrics, pages, status,
    timeline,
};

/// The whole of it; `paths` has every handler in the order of `http::routes`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "gitops-status-server",
        description = "Keeps the latest GitOps sync status of every repository on every server. \
                       Every error is {\"status\":\"error\",\"message\":\"...\"}; \"nothing\" is 200 and an \
                       empty array.",
    ),
    paths(
        pages::overview::overview,
        pages::entry::entry,
        pages::file::file,
        status::post,
        status::delete,
        list::status_json,
        list::status_csv,
        history::history,
        timeline::timeline,
        events::events,
        figures::summary,
        figures::repos,
        figures::servers,
        figures::files,
        badge::badge,
        metrics::metrics,
        health::health,
        health::livez,
        health::readyz,
        openapi,
    ),
    components(schemas(schema::Failure))
)]
struct Api;

/// `GET /openapi.json`
#[utoipa::path(
    get,
    path = "/openapi.json",
    summary = "This description",
    responses((status = 200, description = "OpenAPI 3.1", body = schema::Description)),
)]
pub(super) async fn openapi(
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request.headers());
    let describe = move || coding.encode(&[serde_json::to_vec_pretty(&Api::openapi())?.into()]);
    let described = services.work.short_reads.run(&request, move |_| describe()).await?;
    Ok(answer::fleeting("application/json", coding, vec![described]))
}
