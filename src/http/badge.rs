//! A badge that shows how the selected entries are: `GET /badge.svg`.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Caller;
use super::error::ApiError;
use super::etag::Strength;
use super::query::{QueryString, must_be};
use super::representation::{Rendered, Representation, Weight};
use super::sending::Rendering;
use super::services::Services;
use crate::domain::{Effort, Selection, Snapshot};
use crate::render::{self, RenderError};

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// The image proxies of GitHub and GitLab keep a picture for hours unless they are told how long.
const CACHE_CONTROL: &str = "max-age=60";

/// `GET /badge.svg`
pub(super) async fn badge(
    _: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let badge = Representation {
        media_type: "image/svg+xml",
        cache_control: CACHE_CONTROL,
        strength: Strength::Strong,
        query: BadgeQuery::parse(request.query_string())?,
        weight: |query, snapshot| Weight::of_writing(&query.selection, snapshot),
        body: BadgeQuery::body,
    };
    badge.answer(&request, &services).await
}

/// Which entries a badge is about, and the text on its left.
#[derive(Hash)]
struct BadgeQuery {
    selection: Selection,
    label: String,
}

impl BadgeQuery {
    /// Reads filters and `label`.
    fn parse(query: &str) -> Result<Self, ApiError> {
        let sent = QueryString::with_filters(query, &["label"])?;
        let selection = Selection { filter: sent.filter()?, ..Selection::default() };
        let label = sent.single("label")?.unwrap_or("gitops");
        if !is_label(label) {
            let accepted = format!("1 to {MAX_LABEL} characters, no control characters");
            return Err(must_be("label", &accepted));
        }
        Ok(Self { selection, label: label.to_owned() })
    }

    fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        effort: &mut Effort<'_>,
    ) -> Result<Rendered, RenderError> {
        let badge = render::badge(&self.selection.select(snapshot, effort)?, &self.label);
        Ok(Rendered { rendering: Rendering::Small(badge.into()), total: None })
    }
}

fn is_label(text: &str) -> bool {
    // XML 1.0 cannot express U+FFFE, U+FFFF and most control characters.
    let is_allowed =
        |character: char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    (1..=MAX_LABEL).contains(&text.chars().count()) && text.chars().all(is_allowed)
}
