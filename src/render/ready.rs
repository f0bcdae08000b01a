//! The rows that each segment keeps ready, as plain JSON and compressed, until it changes.

use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::json::json_row;
use super::{Layout, RenderError};
use crate::domain::{Run, Segment, Selected};

/// The weight from which an answer does not make a segment ready: its rows would stay in memory and
/// take long to render.
const HEAVY: usize = 256 * 1024;

/// The compression level. For the rows of 64 entries it takes twice as long as the fastest level and
/// gives two thirds of the bytes, each of which is sent many times.
const LEVEL: u32 = 3;

/// What a segment keeps in its [`Derived`](crate::domain::Derived).
struct Ready {
    rows: Rows,
    packed: OnceLock<Arc<Packed>>,
}

impl Ready {
    fn of(segment: &Segment) -> Option<&Self> {
        segment.derived().get()
    }
}

/// The listed entries of a segment as plain JSON rows, joined by commas.
#[derive(Clone)]
struct Rows {
    bytes: Bytes,
    /// Where the row of each standing ends in `bytes`; one that is not listed has no row.
    ends: Arc<[u32]>,
}

impl Rows {
    /// Renders the rows, but copies those that are in the rows from before some places changed.
    fn render(segment: &Segment) -> Result<Self, RenderError> {
        let outdated = segment.derived().take_outdated::<Ready>();
        let unchanged = |place: usize| {
            let (old, changed) = outdated.as_ref()?;
            if changed.contains(&place) { None } else { old.rows.slice(&(place..place + 1)) }
        };
        let mut bytes = Vec::with_capacity(likely_size(segment));
        let mut ends = Vec::with_capacity(segment.standings().len());
        for (place, standing) in segment.standings().iter().enumerate() {
            if standing.is_listed() {
                if !bytes.is_empty() {
                    bytes.push(b',');
                }
                match unchanged(place) {
                    Some(row) => bytes.extend_from_slice(row),
                    None => json_row(&mut bytes, standing, &Layout::PLAIN)?,
                }
            }
            ends.push(u32::try_from(bytes.len())?);
        }
        // Return the unused capacity. Growing the vector instead would have cost copies.
        bytes.shrink_to_fit();
        Ok(Self { bytes: bytes.into(), ends: ends.into() })
    }

    /// Returns neighbouring rows, without a comma at either end.
    fn slice(&self, places: &Range<usize>) -> Option<&[u8]> {
        let end_of = |place: usize| self.ends.get(place).map(|&end| end as usize);
        let start = places.start.checked_sub(1).and_then(end_of).unwrap_or(0);
        let end = places.end.checked_sub(1).and_then(end_of)?;
        let rows = self.bytes.get(start..end)?;
        Some(rows.strip_prefix(b",").unwrap_or(rows))
    }

    /// Returns the same as a part of the bytes.
    fn part(&self, places: &Range<usize>) -> Option<Bytes> {
        self.slice(places).map(|rows| self.bytes.slice_ref(rows))
    }
}

/// Compressed rows of a segment, to be joined with others.
pub(super) struct Packed {
    /// Whole deflate blocks that end at a byte.
    pub(super) blocks: Vec<u8>,
    /// The checksum and the length of what they inflate to.
    pub(super) crc: Crc,
}

/// Estimates how many bytes the rows of a segment take, rather too many than too few.
fn likely_size(segment: &Segment) -> usize {
    // The column names and times of a row, which the weight does not include.
    const MORE_A_ROW: usize = 200;
    segment.weight() + segment.standings().len() * MORE_A_ROW
}

/// Whether a segment has its rows rendered.
pub(super) fn has_rows(segment: &Segment) -> bool {
    Ready::of(segment).is_some()
}

/// Whether a segment has its rows compressed.
pub(super) fn is_packed(segment: &Segment) -> bool {
    Ready::of(segment).is_some_and(|ready| ready.packed.get().is_some())
}

/// Renders the rows of a segment, which keeps them.
fn make_ready(segment: &Segment) -> Result<Rows, RenderError> {
    let rows = Rows::render(segment)?;
    segment.derived().keep(Ready { rows: rows.clone(), packed: OnceLock::new() });
    Ok(rows)
}

/// Returns the listed entries of a segment as plain rows, joined by commas; rendered once.
pub(super) fn rows(segment: &Segment) -> Result<Bytes, RenderError> {
    match Ready::of(segment) {
        Some(ready) => Ok(ready.rows.bytes.clone()),
        None => Ok(make_ready(segment)?.bytes),
    }
}

/// Returns neighbouring rows, joined by commas, if they are ready, or enough to make them ready.
pub(super) fn run_of_rows(
    segment: &Segment,
    places: &Range<usize>,
) -> Result<Option<Bytes>, RenderError> {
    if let Some(ready) = Ready::of(segment) {
        return Ok(ready.rows.part(places));
    }
    let are_most = 2 * places.len() >= segment.standings().len();
    if (are_most || segment.derived().is_outdated()) && segment.weight() < HEAVY {
        Ok(make_ready(segment)?.part(places))
    } else {
        Ok(None)
    }
}

/// Returns the selected entries as a plain JSON array, joined from ready rows of segments. `None` if
/// some are not ready and not worth making ready.
///
/// # Errors
/// See [`RenderError`].
pub fn ready_list(selected: &Selected<'_>) -> Result<Option<Vec<Bytes>>, RenderError> {
    // With more and smaller parts, handling the parts costs more than their bytes.
    const MOST_RUNS: usize = 256;
    if selected.runs.len() > MOST_RUNS {
        return Ok(None);
    }
    let mut parts = vec![Bytes::from_static(b"[")];
    for Run { segment, places } in &selected.runs {
        let Some(rows) = run_of_rows(segment, places)? else { return Ok(None) };
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(rows);
    }
    parts.push(Bytes::from_static(b"]"));
    Ok(Some(parts))
}

/// Makes an encoder for many segments: making one takes as long as packing a dozen rows.
pub(super) fn encoder() -> DeflateEncoder<Vec<u8>> {
    DeflateEncoder::new(Vec::new(), Compression::new(LEVEL))
}

/// Returns a segment's rows as deflate blocks that others can follow; compressed once.
pub(super) fn packed(
    segment: &Segment,
    encoder: &mut DeflateEncoder<Vec<u8>>,
) -> Result<Arc<Packed>, RenderError> {
    if let Some(packed) = Ready::of(segment).and_then(|ready| ready.packed.get()) {
        return Ok(Arc::clone(packed));
    }
    let rows = rows(segment)?;
    encoder.reset(Vec::with_capacity(rows.len() / 8))?;
    encoder.write_all(&rows)?;
    // A flush ends the last block at a byte, without the mark that would end the stream.
    encoder.flush()?;
    let mut crc = Crc::new();
    crc.update(&rows);
    let packed = Arc::new(Packed { blocks: std::mem::take(encoder.get_mut()), crc });
    if let Some(ready) = Ready::of(segment) {
        ready.packed.set(Arc::clone(&packed)).ok();
    }
    Ok(packed)
}
