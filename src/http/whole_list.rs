//! The list of everything in the plain layout, which most clients ask for. It is joined from the
//! ready parts of a snapshot's segments, once for all clients that wait for it.

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::answer::{self, Content};
use super::coding::Coding;
use super::error::ApiError;
use super::etag::{Strength, Tag};
use super::resource::REVALIDATE;
use super::services::Services;
use super::single_flight::SingleFlight;
use super::work;
use crate::domain::Snapshot;
use crate::render::{self, RenderError};

/// The list of everything in each coding, while it is being made.
#[derive(Default)]
pub struct WholeLists {
    identity: SingleFlight<WholeList>,
    gzip: SingleFlight<WholeList>,
    brotli: SingleFlight<WholeList>,
}

impl WholeLists {
    fn coded(&self, coding: Coding) -> &SingleFlight<WholeList> {
        match coding {
            Coding::Identity => &self.identity,
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        }
    }
}

/// The list of everything in one snapshot.
#[derive(Clone)]
struct WholeList {
    tag: Tag,
    parts: Vec<Bytes>,
    total: usize,
}

impl WholeList {
    fn new(tag: Tag, snapshot: &Snapshot, coding: Coding) -> Result<Self, RenderError> {
        let parts = match coding {
            Coding::Identity => render::whole(snapshot)?,
            Coding::Gzip => vec![render::whole_gzip(snapshot)?],
            Coding::Brotli => vec![coding.encode(&render::whole(snapshot)?)?],
        };
        Ok(Self { tag, parts, total: snapshot.listed() })
    }
}

/// Answers with the list of everything, unless the client has it already.
pub(super) async fn answer(
    request: &HttpRequest,
    services: &Services,
) -> Result<HttpResponse, ApiError> {
    let snapshot = services.board.snapshot();
    let coding = Coding::negotiate(request.headers());
    let current = tag(&snapshot, coding);
    if current.is_known_to(request.headers()) {
        return Ok(answer::not_modified(&current, REVALIDATE));
    }
    let WholeList { tag, parts, total } = if is_quick(&snapshot, coding) {
        WholeList::new(current, &snapshot, coding)?
    } else {
        drop(snapshot);
        let make = async || {
            let snapshot = services.board.snapshot();
            let tag = tag(&snapshot, coding);
            work::for_all(move || WholeList::new(tag, &snapshot, coding)).await
        };
        services.whole_lists.coded(coding).get(make).await?
    };
    let content = Content {
        media_type: "application/json",
        cache_control: REVALIDATE,
        coding,
        total: Some(total),
        body: services.sending.ready(parts),
    };
    Ok(answer::content(&tag, content))
}

fn tag(snapshot: &Snapshot, coding: Coding) -> Tag {
    Tag::new(snapshot.fingerprint(), &"the whole list", coding, Strength::Strong)
}

/// Whether joining the list takes so little work that it is done at once.
fn is_quick(snapshot: &Snapshot, coding: Coding) -> bool {
    match coding {
        Coding::Gzip => render::is_whole_gzip_ready(snapshot),
        Coding::Identity => render::is_whole_nearly_ready(snapshot),
        Coding::Brotli => false,
    }
}
