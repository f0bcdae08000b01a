//! Entity tags: equal tags mean equal bytes, in this process and in any other.
//!
//! A tag is computed from the snapshot and the query, not from the answer: a client that has the
//! answer gets 304 before anything is rendered.

use std::hash::Hash;

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};
use xxhash_rust::xxh3::Xxh3Default;

use super::coding::Coding;

/// An entity tag with its quotes.
#[derive(Clone, Debug)]
pub(super) struct Tag(String);

/// How much equal tags promise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Strength {
    /// Equal bytes.
    Strong,
    /// Bytes that differ in nothing but ages.
    Weak,
}

impl Tag {
    /// Returns the tag of the answer to `query` from the snapshot with this fingerprint.
    pub(super) fn new(
        fingerprint: u128,
        query: &impl Hash,
        coding: Coding,
        strength: Strength,
    ) -> Self {
        let mut hasher = Xxh3Default::new();
        // Another build may render the same entries differently, even one of the same version.
        env!("GITOPS_STATUS_BUILD").hash(&mut hasher);
        fingerprint.hash(&mut hasher);
        query.hash(&mut hasher);
        let suffix = coding.name().map_or(String::new(), |name| format!("-{name}"));
        let weak = match strength {
            Strength::Strong => "",
            Strength::Weak => "W/",
        };
        Self(format!("{weak}\"{:032x}{suffix}\"", hasher.digest128()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `If-None-Match` names this tag, so that the client has the answer already.
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
        // Our tags have no commas, so splitting at commas cannot cut one in two.
        values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || opaque(tag) == opaque(&self.0))
    }
}

/// Returns a tag without its weakness, which `If-None-Match` does not compare.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
