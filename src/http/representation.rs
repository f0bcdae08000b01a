//! Answers that depend on one snapshot and a query: 304, rendered at once, or rendered beside the
//! threads that serve requests.

use std::hash::Hash;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};

use super::answer::{self, Content};
use super::caching::Caching;
use super::coding::Coding;
use super::error::ApiError;
use super::etag::{Strength, Tag};
use super::sending::Rendering;
use super::services::Services;
use crate::domain::{Effort, Selection, Snapshot};
use crate::render::RenderError;

/// How an endpoint represents the answer to a query of a snapshot.
///
/// Equal queries about equal snapshots get equal bytes: the entity tag is made of the two.
pub(super) struct Representation<Q> {
    pub(super) media_type: &'static str,
    pub(super) caching: Caching,
    pub(super) strength: Strength,
    pub(super) query: Q,
    pub(super) weight: fn(&Q, &Snapshot) -> Weight,
    pub(super) body: fn(&Q, &Arc<Snapshot>, &mut Effort<'_>) -> Result<Rendered, RenderError>,
}

/// How much work an answer takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Weight {
    /// So little that it is done at once.
    Quick,
    /// Tens of milliseconds: too little to wait behind long answers.
    Short,
    /// Anything beyond.
    Long,
}

impl Weight {
    /// From this many entries on an answer is rendered beside the threads that serve requests.
    pub(super) const QUICK_ENTRIES: usize = 2048;

    const SHORT_ENTRIES: usize = 32 * Self::QUICK_ENTRIES;

    /// Returns the weight of counting the selected entries.
    pub(super) fn of_counting(selection: &Selection, snapshot: &Snapshot) -> Self {
        if selection.filter.looks_at_files() {
            return Self::Long;
        }
        match selection.cost(snapshot) {
            ..Self::QUICK_ENTRIES => Self::Quick,
            Self::QUICK_ENTRIES..Self::SHORT_ENTRIES => Self::Short,
            _ => Self::Long,
        }
    }

    /// Returns the weight of writing the selected entries.
    pub(super) fn of_writing(selection: &Selection, snapshot: &Snapshot) -> Self {
        match Self::of_counting(selection, snapshot) {
            Self::Quick => Self::Quick,
            Self::Short | Self::Long => Self::Long,
        }
    }
}

/// A rendered answer.
pub(super) struct Rendered {
    pub(super) rendering: Rendering,
    /// How many rows there are before limit and offset, if the answer has rows.
    pub(super) total: Option<usize>,
}

impl<Q: Hash + Send + 'static> Representation<Q> {
    /// Returns a representation in JSON that clients may keep.
    pub(super) fn json(
        query: Q,
        weight: fn(&Q, &Snapshot) -> Weight,
        body: fn(&Q, &Arc<Snapshot>, &mut Effort<'_>) -> Result<Rendered, RenderError>,
    ) -> Self {
        Self {
            media_type: "application/json",
            caching: Caching::Revalidated,
            strength: Strength::Strong,
            query,
            weight,
            body,
        }
    }

    /// Answers from the current snapshot, unless the client has that answer already.
    pub(super) async fn answer(
        self,
        request: &HttpRequest,
        services: &Services,
    ) -> Result<HttpResponse, ApiError> {
        let (media_type, cache_control) = (self.media_type, self.caching.header(services));
        let snapshot = services.board.snapshot();
        let coding = Coding::negotiate(request.headers());
        let tag = self.tag(&snapshot, coding);
        if tag.is_known_to(request.headers()) {
            return Ok(answer::not_modified(&tag, cache_control));
        }
        let room = match (self.weight)(&self.query, &snapshot) {
            Weight::Quick => None,
            Weight::Short => Some(&services.work.short_reads),
            Weight::Long => Some(&services.work.reads),
        };
        let grant = services.sending.grant(coding);
        // Not always the coding that was asked for.
        let coding = grant.coding;
        let (tag, Rendered { rendering, total }) = match room {
            None => self.render(&snapshot, coding, &mut Effort::unlimited())?,
            Some(room) => {
                // A request that waits for its turn must not keep an old snapshot in memory.
                drop(snapshot);
                let board = services.board.clone();
                room.run(request, move |effort| self.render(&board.snapshot(), coding, effort))
                    .await?
            }
        };
        let body = services.sending.body(request, rendering, grant);
        Ok(answer::content(&tag, Content { media_type, cache_control, coding, total, body }))
    }

    fn render(
        &self,
        snapshot: &Arc<Snapshot>,
        coding: Coding,
        effort: &mut Effort<'_>,
    ) -> Result<(Tag, Rendered), RenderError> {
        let Rendered { rendering, total } = (self.body)(&self.query, snapshot, effort)?;
        let rendered = Rendered { rendering: rendering.coded(coding)?, total };
        Ok((self.tag(snapshot, coding), rendered))
    }

    fn tag(&self, snapshot: &Snapshot, coding: Coding) -> Tag {
        Tag::new(snapshot.fingerprint(), &self.query, coding, self.strength)
    }
}
