//! What the writer, its parts and the follower share.

use std::sync::Arc;

use super::published::Published;
use super::replicas::Replicas;
use crate::store::Store;

/// Handles on what is shown, on the store, and on what is known of other replicas.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) published: Arc<Published>,
    pub(super) store: Arc<dyn Store>,
    pub(super) replicas: Arc<Replicas>,
}
