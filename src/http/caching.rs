//! What caches may do with an answer: `Cache-Control`.

use super::services::Services;
use crate::access::Right;

/// Who may keep an answer, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caching {
    /// Nobody may keep it.
    Never,
    /// Clients may keep it, but must ask about it before each use.
    Revalidated,
    /// It may be used for a minute.
    ForAMinute,
}

impl Caching {
    /// Returns the value of `Cache-Control`. Where reading needs a token, a cache that several clients
    /// share must not hand an answer to others. By itself it does not know that `X-Api-Key` is a
    /// credential.
    pub(super) fn header(self, services: &Services) -> &'static str {
        let is_open = services.access.anonymous().has(Right::Read);
        match (self, is_open) {
            (Self::Never, _) => "no-store",
            (Self::Revalidated, true) => "no-cache",
            (Self::Revalidated, false) => "private, no-cache",
            (Self::ForAMinute, true) => "max-age=60",
            (Self::ForAMinute, false) => "private, max-age=60",
        }
    }
}
