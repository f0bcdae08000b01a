//! The list of everything in the plain layout, which most clients ask for. It is joined from the
//! ready parts of a snapshot's segments, once for all clients that wait for it.

use bytes::Bytes;

use super::coding::Coding;
use super::error::ApiError;
use super::etag::{Strength, Tag};
use super::single_flight::SingleFlight;
use super::work::Work;
use crate::board::Board;
use crate::domain::Snapshot;
use crate::render::{self, RenderError};

/// The list of everything in one snapshot, encoded.
#[derive(Clone)]
pub(super) struct WholeList {
    pub(super) tag: Tag,
    pub(super) parts: Vec<Bytes>,
    pub(super) total: usize,
}

impl WholeList {
    /// Returns the entity tag of the list in a snapshot.
    pub(super) fn tag(snapshot: &Snapshot, coding: Coding) -> Tag {
        Tag::new(snapshot.fingerprint(), &"the whole list", coding, Strength::Strong)
    }

    /// Whether joining the list takes so little work that it is done at once.
    pub(super) fn is_quick(snapshot: &Snapshot, coding: Coding) -> bool {
        match coding {
            Coding::Gzip => render::is_whole_gzip_ready(snapshot),
            Coding::Identity => render::is_whole_nearly_ready(snapshot),
            Coding::Brotli => false,
        }
    }

    /// Joins the list in a snapshot, whose tag is known already.
    pub(super) fn join(tag: Tag, snapshot: &Snapshot, coding: Coding) -> Result<Self, RenderError> {
        let parts = match coding {
            Coding::Identity => render::whole(snapshot)?,
            Coding::Gzip => vec![render::whole_gzip(snapshot)?],
            Coding::Brotli => vec![coding.encode(&render::whole(snapshot)?)?],
        };
        Ok(Self { tag, parts, total: snapshot.listed() })
    }
}

/// The list of everything in each coding, while it is being joined.
#[derive(Default)]
pub struct WholeLists {
    identity: SingleFlight<WholeList>,
    gzip: SingleFlight<WholeList>,
    brotli: SingleFlight<WholeList>,
}

impl WholeLists {
    /// Joins the list in the snapshot that is published when its turn comes.
    pub(super) async fn next(
        &self,
        board: &Board,
        work: &Work,
        coding: Coding,
    ) -> Result<WholeList, ApiError> {
        let list = match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        };
        list.get(async || {
            let snapshot = board.snapshot();
            let tag = WholeList::tag(&snapshot, coding);
            work.for_all(move || WholeList::join(tag, &snapshot, coding)).await
        })
        .await
    }
}
