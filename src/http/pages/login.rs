//! Signing in: `GET /login` makes a browser ask for a token, and leads back to a page.
//!
//! The browser keeps the token, as the password of HTTP Basic, and sends it by itself from then on. There
//! are no sessions and no cookies.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Unauthorized, redacted};
use crate::domain::Timestamp;
use crate::http::caller::{Caller, unauthorized};
use crate::http::error::ApiError;
use crate::http::query::{QueryString, must_be};
use crate::http::services::Services;

/// The pages to which it leads back, relative to its own path.
const PAGES: [&str; 3] = [OVERVIEW, "entry", "file"];
pub(super) const OVERVIEW: &str = "./";

/// `GET /login?to=PAGE&not=ID`
pub(in crate::http) async fn login(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let Login { to, not } = Login::parse(request.query_string())?;
    if caller.token().is_some_and(|id| not.as_deref() == Some(id.as_str())) {
        // The browser has sent by itself the token that its user wants to change.
        return Err(unauthorized(&request, &services, Unauthorized::Missing));
    }
    caller.note_allowed();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, to)).finish())
}

/// Returns the page to which a request leads back.
pub(super) fn target(query: &str) -> String {
    Login::parse(query).map_or_else(|_| OVERVIEW.to_owned(), |login| login.to)
}

/// Checks a query string.
pub(in crate::http) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    Login::parse(query).map(drop)
}

/// Where somebody wants to go, and which token they do not want to have any more.
struct Login {
    to: String,
    not: Option<String>,
}

impl Login {
    /// Reads `to` and `not`.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let sent = QueryString::parse(query, &["to", "not"])?;
        let to = sent.single("to")?.unwrap_or(OVERVIEW);
        if !is_page(to) {
            return Err(must_be(
                "to",
                "the address of a page of this server, such as ./?repo=nginx",
            ));
        }
        // No answer shows a token.
        let to = if redacted(to) == to { to } else { OVERVIEW };
        Ok(Self { to: to.to_owned(), not: sent.single("not")?.map(str::to_owned) })
    }
}

/// Whether this is the address of a page, and so leads to no other site.
fn is_page(address: &str) -> bool {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    PAGES.contains(&path) && query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
