//! Questions about the published snapshot, and the one way to answer them: known already, at once,
//! or beside the threads that serve requests.

use std::hash::Hash;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::answer::{self, Content};
use super::coding::Coding;
use super::error::ApiError;
use super::etag::Tag;
use super::sending::Begun;
use super::services::Services;
use super::single_flight::SingleFlight;
use super::work::{self, Work};
use crate::domain::{Effort, Snapshot};
use crate::render::RenderError;

/// From how many entries on an answer is worked out beside the threads that serve requests.
pub(super) const MANY_ENTRIES: usize = 2048;

/// Up to how many entries such an answer does not wait for long ones: it takes some tens of
/// milliseconds.
pub(super) const SHORT_ENTRIES: usize = 32 * MANY_ENTRIES;

/// What can be answered from one snapshot alone.
///
/// Equal questions about equal snapshots get equal bytes: the entity tag is made of the two.
pub(super) trait Resource: Hash + Send + 'static {
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
    fn is_quick(&self, snapshot: &Snapshot, coding: Coding) -> bool;

    /// Whether answering takes so little work that it should not wait for answers that take long.
    fn is_short(&self, _: &Snapshot) -> bool {
        false
    }

    /// Where the answer is made for all who wait for it, if many are likely to ask the same.
    fn shared<'a>(&self, _: &'a Services, _: Coding) -> Option<SharedAnswer<'a>> {
        None
    }

    /// Begins the answer.
    fn page(&self, snapshot: &Arc<Snapshot>, effort: &mut Effort<'_>) -> Result<Page, RenderError>;
}

/// An answer that is begun, and not coded.
pub(super) struct Page {
    pub(super) begun: Begun,
    /// How many rows there are before limit and offset, if the answer is rows.
    pub(super) total: Option<usize>,
}

impl Page {
    fn coded(self, coding: Coding) -> Result<Self, RenderError> {
        let Self { begun, total } = self;
        Ok(Self { begun: begun.coded(coding)?, total })
    }
}

/// A whole answer, coded.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) parts: Vec<Bytes>,
    /// How many rows it has.
    pub(super) total: usize,
}

/// An answer that is made for all who wait for it.
pub(super) struct SharedAnswer<'a> {
    pub(super) place: &'a SingleFlight<TaggedBody>,
    pub(super) make: fn(&Snapshot, Coding) -> Result<Ready, RenderError>,
}

/// An answer, and the tag of the snapshot that it was made of.
#[derive(Clone)]
pub(super) struct TaggedBody {
    tag: Tag,
    ready: Ready,
}

/// Answers a question about the snapshot as it is now, unless the client has the answer already.
pub(super) async fn answer(
    request: &HttpRequest,
    services: &Services,
    question: impl Resource,
) -> Result<HttpResponse, ApiError> {
    let snapshot = services.board.snapshot();
    let coding = Coding::negotiate(request.headers());
    let tag = Tag::new(&snapshot, &question, coding);
    let (media_type, cache_control) = (question.media_type(), question.cache_control());
    if tag.is_known_to(request.headers()) {
        return Ok(answer::not_modified(&tag, cache_control));
    }
    let is_quick = question.is_quick(&snapshot, coding);
    if let Some(SharedAnswer { place, make }) = question.shared(services, coding) {
        let TaggedBody { tag, ready: Ready { parts, total } } = if is_quick {
            TaggedBody { tag, ready: make(&snapshot, coding)? }
        } else {
            drop(snapshot);
            place.get(async || for_all(services, &question, coding, make).await).await?
        };
        let (total, body) = (Some(total), services.sending.ready(parts));
        return Ok(answer::content(
            &tag,
            Content { media_type, cache_control, coding, total, body },
        ));
    }
    let place = services.sending.place(coding);
    // The coding may be another one than was asked for.
    let coding = place.coding;
    let (tag, Page { begun, total }) = if is_quick {
        begin(&snapshot, &question, coding, &mut Effort::unlimited())?
    } else {
        let Work { reads, short_reads, .. } = &services.work;
        let room = if question.is_short(&snapshot) { short_reads } else { reads };
        // What waits for its turn should not keep a snapshot of its own in memory.
        drop(snapshot);
        let board = services.board.clone();
        room.run(request, move |effort| begin(&board.snapshot(), &question, coding, effort)).await?
    };
    let body = services.sending.body(begun, place, request.method() != Method::HEAD);
    Ok(answer::content(&tag, Content { media_type, cache_control, coding, total, body }))
}

/// Makes an answer for all who wait for it.
async fn for_all(
    services: &Services,
    question: &impl Resource,
    coding: Coding,
    make: fn(&Snapshot, Coding) -> Result<Ready, RenderError>,
) -> Result<TaggedBody, ApiError> {
    let snapshot = services.board.snapshot();
    let tag = Tag::new(&snapshot, question, coding);
    Ok(TaggedBody { tag, ready: work::for_all(move || make(&snapshot, coding)).await? })
}

/// Begins an answer that is made for one request.
fn begin(
    snapshot: &Arc<Snapshot>,
    question: &impl Resource,
    coding: Coding,
    effort: &mut Effort<'_>,
) -> Result<(Tag, Page), RenderError> {
    let page = question.page(snapshot, effort)?.coded(coding)?;
    Ok((Tag::new(snapshot, question, coding), page))
}
