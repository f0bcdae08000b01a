//! The series of entries that expired while drifted: the end of an entry is not its repair.

use bytes::Bytes;

use super::series::write_labels;
use super::text::description;
use crate::domain::{MOST_EXPIRED_DRIFTED, Snapshot};

const NAME: &str = "gitops_status_expired_drifted";

/// Returns the text of the series, of which there are at most [`MOST_EXPIRED_DRIFTED`].
pub(super) fn text(snapshot: &Snapshot) -> Bytes {
    const HELP: &str = "1 for a week after an entry expired while drifted, unless it was reported \
                        again or removed";
    let mut out = description(NAME, HELP, "gauge").into_bytes();
    let with_hidden =
        snapshot.segments().iter().filter(|segment| segment.listed() < segment.standings().len());
    let standings = with_hidden.flat_map(|segment| segment.standings());
    let remembered = standings.filter(|standing| standing.is_remembered());
    for standing in remembered.take(MOST_EXPIRED_DRIFTED) {
        out.extend_from_slice(NAME.as_bytes());
        write_labels(standing.entry().key(), &mut out);
        out.extend_from_slice(b"1\n");
    }
    out.into()
}
