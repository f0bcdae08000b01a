//! The health of the server: `/health` for people and old manifests, `/livez` and `/readyz` for
//! kubelets.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::answer;
use super::caller::Caller;
use super::coding::Coding;
use super::error::ApiError;
use super::services::Services;
use crate::tls::Tls;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: String,
    tracked_repos: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
struct Probe {
    status: &'static str,
}

/// `GET /health`: always 200, since a restart would not free a full disk.
pub(super) async fn health(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let message = message(&services);
    let health = Health {
        status: if message.is_none() { "healthy" } else { "degraded" },
        timestamp: services.clock.read().wall.to_string(),
        tracked_repos: services.board.snapshot().listed(),
        message,
    };
    answer::small(&health, Coding::negotiate(request.headers()))
}

/// Returns everything that is wrong, and whether updates go on.
fn message(services: &Services) -> Option<String> {
    let is_storing = services.board.is_storing();
    let soundness = services.board.soundness();
    let mut said: Vec<Cow<'static, str>> = soundness.meanings().map(Cow::Borrowed).collect();
    if services.access.is_file_bad() {
        said.push("the file of tokens is not valid, so the tokens from before are in force".into());
    }
    if services.tls.as_ref().is_some_and(Tls::are_files_bad) {
        said.push(
            "the TLS certificate or its key is not valid, so those from before are in force".into(),
        );
    }
    if services.board.backup_state().is_some_and(|backups| backups.has_failed()) {
        said.push("the last backup could not be made".into());
    }
    if let Some(replicas) = services.board.replica_state() {
        let differing: Vec<&str> = replicas.differing_names().collect();
        if !differing.is_empty() {
            let names = differing.join(", ");
            said.push(format!("other replicas run with another {names}").into());
        }
        if !replicas.is_following {
            said.push("changes of other replicas cannot be read".into());
        }
    }
    said.push(match (is_storing, said.is_empty()) {
        (true, true) => return None,
        (true, false) => "updates go on; see the server's log".into(),
        (false, _) => "Updates cannot be stored; see the server's log".into(),
    });
    Some(said.join("; "))
}

/// `GET /livez`: the process answers.
pub(super) async fn livez(_: Caller, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    answer::small(&Probe { status: "ok" }, Coding::negotiate(request.headers()))
}

/// `GET /readyz`: 200 until the server is told to stop. The server listens only once it has loaded
/// its entries.
pub(super) async fn readyz(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    if services.stopping.has_begun() {
        return Err(ApiError::Stopping);
    }
    answer::small(&Probe { status: "ok" }, Coding::negotiate(request.headers()))
}
