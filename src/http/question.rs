//! Questions about the published state, and the one way to answer them: known already, at once,
//! or beside the threads that serve requests.

use std::hash::Hash;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::Services;
use super::answer::{self, Content};
use super::coding::Coding;
use super::error::ApiError;
use super::etag::Tag;
use super::shared::Shared;
use crate::domain::State;
use crate::render::RenderError;

/// From how many entries on an answer is worked out beside the threads that serve requests.
pub(super) const MANY_ENTRIES: usize = 2048;

/// What can be answered from one state alone.
///
/// Equal questions about equal states get equal bytes: the entity tag is made of the two.
pub(super) trait Question: Hash + Send + 'static {
    /// The answer's `Content-Type`.
    fn media_type(&self) -> &'static str;

    /// The answer's `Cache-Control`.
    fn cache_control(&self) -> &'static str {
        "no-cache"
    }

    /// Whether equal tags mean equal bytes, and not only that nothing has changed worth showing.
    fn is_exact(&self) -> bool {
        true
    }

    /// Whether answering takes so little work that it is best done at once.
    fn is_quick(&self, state: &State, coding: Coding) -> bool;

    /// Where the answer is made for all who wait for it, if many are likely to ask the same.
    fn shared<'a>(&self, _: &'a Services, _: Coding) -> Option<&'a Shared<Made>> {
        None
    }

    /// Works out the answer.
    fn page(&self, state: &Arc<State>, coding: Coding) -> Result<Page, RenderError>;
}

/// The body of an answer, coded.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) parts: Vec<Bytes>,
    /// How many rows there are before limit and offset, if the answer is rows.
    pub(super) total: Option<usize>,
}

impl Page {
    /// Codes the bytes of an answer.
    pub(super) fn coded(
        bytes: Bytes,
        total: Option<usize>,
        coding: Coding,
    ) -> Result<Self, RenderError> {
        let bytes = match coding {
            Coding::Identity => bytes,
            Coding::Gzip | Coding::Brotli => coding.encode(&[bytes])?,
        };
        Ok(Self { parts: vec![bytes], total })
    }
}

/// A page, and the tag of the state that it was made of.
#[derive(Clone)]
pub(super) struct Made {
    tag: Tag,
    page: Page,
}

/// Answers a question about the state as it is now, unless the client has the answer already.
pub(super) async fn answer(
    request: &HttpRequest,
    services: &Services,
    question: impl Question,
) -> Result<HttpResponse, ApiError> {
    let state = services.board.snapshot();
    let coding = Coding::negotiate(request.headers());
    let tag = Tag::new(&state, &question, coding);
    let (media_type, cache_control) = (question.media_type(), question.cache_control());
    if tag.is_known_to(request.headers()) {
        return Ok(answer::not_modified(&tag, cache_control));
    }
    let Made { tag, page } = if question.is_quick(&state, coding) {
        Made { tag, page: question.page(&state, coding)? }
    } else if let Some(shared) = question.shared(services, coding) {
        drop(state);
        shared.get(async || make(services.board.snapshot(), question, coding).await).await?
    } else {
        make(state, question, coding).await?
    };
    let Page { parts, total } = page;
    Ok(answer::content(&tag, Content { media_type, cache_control, coding, total, parts }))
}

/// Makes an answer beside the threads that serve requests.
async fn make(
    state: Arc<State>,
    question: impl Question,
    coding: Coding,
) -> Result<Made, ApiError> {
    let tag = Tag::new(&state, &question, coding);
    let page = web::block(move || question.page(&state, coding)).await;
    Ok(Made { tag, page: page.map_err(|_| ApiError::Lost)?? })
}
