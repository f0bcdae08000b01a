//! One thing that happens in the fleet.

use crate::domain::{Action, Timestamp};

/// Something that is to be asked of the server.
#[derive(Clone, Debug)]
pub struct Act {
    /// When it happens, by the clock.
    pub at: Timestamp,
    /// A report, or the removal of an entry.
    pub action: Action,
}
