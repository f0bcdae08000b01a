//! Entity tags: equal tags mean equal bytes, in this process and in any other.
//!
//! A tag is made of what the answer is made of, not of the answer, so that an unchanged one is
//! recognised before it is built.

use std::hash::Hash;

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};
use xxhash_rust::xxh3::Xxh3Default;

use super::coding::Coding;
use super::question::Resource;
use crate::domain::Snapshot;

/// An entity tag, with its quotes: a strong one if the question's answers are exact.
#[derive(Clone, Debug)]
pub(super) struct Tag(String);

impl Tag {
    /// Makes the tag of an answer to `question` from a snapshot.
    pub(super) fn new(snapshot: &Snapshot, question: &impl Resource, coding: Coding) -> Self {
        let mut hasher = Xxh3Default::new();
        // Another build may write the same entries otherwise, also one of the same version.
        env!("GITOPS_STATUS_BUILD").hash(&mut hasher);
        snapshot.fingerprint().hash(&mut hasher);
        question.hash(&mut hasher);
        let suffix = coding.name().map_or(String::new(), |name| format!("-{name}"));
        let weak = if question.is_exact() { "" } else { "W/" };
        Self(format!("{weak}\"{:032x}{suffix}\"", hasher.digest128()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `If-None-Match` names this tag, so that the client has the answer already.
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
            // No comma is in any of our tags, so splitting at commas cannot cut one in two.
            tag == "*" || opaque(tag) == opaque(&self.0)
        })
    }
}

/// Returns a tag without its weakness: what If-None-Match compares.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
