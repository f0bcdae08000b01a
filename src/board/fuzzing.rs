//! A door to the parser of the ids of events for the fuzz targets in `fuzz`.

use super::feed::number_in;

/// Returns after which step a client goes on that names this one to a process of this number.
#[must_use]
pub fn resumed_after(run: u64, name: &str) -> Option<u64> {
    number_in(run, name)
}
