//! A badge that shows how the selected entries are: `GET /badge.svg`.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::caching::Caching;
use super::caller::Caller;
use super::error::ApiError;
use super::etag::Strength;
use super::query::{QueryString, must_be, split};
use super::representation::{Rendered, Representation, Weight};
use super::sending::Rendering;
use super::services::Services;
use crate::access::Right;
use crate::domain::{Effort, Selection, Snapshot, Timestamp};
use crate::page::Parameters;
use crate::render::{self, RenderError};

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// `GET /badge.svg`
pub(super) async fn badge(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let badge = Representation {
        media_type: "image/svg+xml",
        // The image proxies of GitHub and GitLab keep a picture for hours unless they are told how long.
        caching: Caching::ForAMinute,
        strength: Strength::Strong,
        query: BadgeQuery::parse(request.query_string(), services.links.external_url.as_deref())?,
        weight: |query, snapshot| Weight::of_writing(&query.selection, snapshot),
        body: BadgeQuery::body,
    };
    let mut response = badge.answer(&request, &services).await?;
    // A document may show it as an object, whose link works.
    let policy = HeaderValue::from_static("default-src 'none'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    // A browser sends the token of its user also for a page of another site.
    let is_for_everybody = services.access.anonymous().has(Right::Read);
    if is_for_everybody && services.sites.may_show_badge() {
        let policy = HeaderValue::from_static("cross-origin");
        response.headers_mut().insert(CROSS_ORIGIN_RESOURCE_POLICY, policy);
    }
    Ok(response)
}

/// Checks a query string.
pub(super) fn check_query(query: &str, _: Timestamp) -> Result<(), ApiError> {
    BadgeQuery::parse(query, None).map(drop)
}

/// Which entries a badge is about, the text on its left, and the page that it links to.
#[derive(Hash)]
struct BadgeQuery {
    selection: Selection,
    label: String,
    link: Option<String>,
}

impl BadgeQuery {
    /// Reads filters and `label`. Links to the same entries on the page, if its URL is known.
    fn parse(query: &str, external_url: Option<&str>) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["label"])?;
        let selection = Selection { filter: sent.filter()?, ..Selection::default() };
        let label = sent.single("label")?.unwrap_or("gitops");
        if !is_label(label) {
            let accepted = format!("1 to {MAX_LABEL} characters, no control characters");
            return Err(must_be("label", &accepted));
        }
        let filters = split(query)?;
        let filters = filters.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let filters = Parameters::new(filters).without(&["label"]);
        let link = external_url.map(|url| filters.link(&format!("{url}/")));
        Ok(Self { selection, label: label.to_owned(), link })
    }

    fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        effort: &mut Effort<'_>,
    ) -> Result<Rendered, RenderError> {
        let Self { selection, label, link } = self;
        let badge = render::badge(&selection.select(snapshot, effort)?, label, link.as_deref());
        Ok(Rendered { rendering: Rendering::Small(badge.into()), total: None })
    }
}

fn is_label(text: &str) -> bool {
    // XML 1.0 cannot express U+FFFE, U+FFFF and most control characters.
    let is_allowed =
        |character: char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    (1..=MAX_LABEL).contains(&text.chars().count()) && text.chars().all(is_allowed)
}
