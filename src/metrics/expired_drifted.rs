//! The series of entries that expired while drifted: the end of an entry is not its repair.

use bytes::Bytes;

use super::series::write_labels;
use super::text::description;
use crate::domain::Snapshot;

const NAME: &str = "gitops_status_expired_drifted";

/// Returns the text of the series, of which there are at most
/// [`MOST_EXPIRED_DRIFTED`](crate::domain::MOST_EXPIRED_DRIFTED).
pub(super) fn text(snapshot: &Snapshot) -> Bytes {
    const HELP: &str = "1 for a week after an entry expired while drifted, unless it was reported \
                        again or removed";
    let mut out = description(NAME, HELP, "gauge").into_bytes();
    if snapshot.expired_drifted() == 0 {
        return out.into();
    }
    let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
    for standing in standings.filter(|standing| standing.is_remembered()) {
        out.extend_from_slice(NAME.as_bytes());
        write_labels(standing.entry().key(), &mut out);
        out.extend_from_slice(b"1\n");
    }
    out.into()
}
