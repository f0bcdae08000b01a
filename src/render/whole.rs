//! The list of everything, joined from what the segments have ready.
//!
//! After a change, one segment is rendered and compressed again; all others are used as they are.

use std::thread;

use bytes::Bytes;
use flate2::Crc;

use super::{RenderError, ready};
use crate::domain::{Segment, Snapshot};

/// A gzip header without name or time, so that equal content gives equal bytes.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// From how many segments on threads are worth their start.
const MANY_SEGMENTS: usize = 16;

/// How many threads work on many segments. When updates keep every processor busy, a reader's share of
/// the processors is that of its threads: one thread would finish only after all segments have changed
/// again.
const THREADS: usize = 4;

/// How many segments may be rendered for an answer that is made at once.
const FEW_SEGMENTS: usize = 2;

/// The whole list as a gzip stream, as a snapshot keeps it.
struct WholeGzip(Bytes);

/// Whether [`whole`] has next to nothing to render.
#[must_use]
pub fn is_whole_nearly_ready(snapshot: &Snapshot) -> bool {
    let unready = snapshot.segments().iter().filter(|segment| !ready::has_rows(segment));
    unready.take(FEW_SEGMENTS + 1).count() <= FEW_SEGMENTS
}

/// Whether [`whole_gzip`] has nothing to do.
#[must_use]
pub fn is_whole_gzip_ready(snapshot: &Snapshot) -> bool {
    snapshot.derived().get::<WholeGzip>().is_some()
}

/// Returns a JSON array of all entries, in parts to be sent one after the other.
///
/// # Errors
/// See [`RenderError`].
pub fn whole(snapshot: &Snapshot) -> Result<Vec<Bytes>, RenderError> {
    together(snapshot, ready::has_rows, render);
    let mut parts = vec![Bytes::from_static(b"[")];
    for segment in listed(snapshot) {
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(ready::rows(segment)?);
    }
    parts.push(Bytes::from_static(b"]"));
    Ok(parts)
}

/// Returns the same as one gzip stream; made once for each snapshot.
///
/// # Errors
/// See [`RenderError`].
pub fn whole_gzip(snapshot: &Snapshot) -> Result<Bytes, RenderError> {
    if let Some(WholeGzip(ready)) = snapshot.derived().get() {
        return Ok(ready.clone());
    }
    together(snapshot, ready::is_packed, pack);
    let mut out = GZIP_HEADER.to_vec();
    let mut crc = Crc::new();
    let mut encoder = ready::encoder();
    push_stored(&mut out, &mut crc, b'[', false);
    for (position, segment) in listed(snapshot).enumerate() {
        if position > 0 {
            push_stored(&mut out, &mut crc, b',', false);
        }
        let packed = ready::packed(segment, &mut encoder)?;
        out.extend_from_slice(&packed.blocks);
        crc.combine(&packed.crc);
    }
    push_stored(&mut out, &mut crc, b']', true);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    let whole = Bytes::from(out);
    snapshot.derived().keep(WholeGzip(whole.clone()));
    Ok(whole)
}

fn listed(snapshot: &Snapshot) -> impl Iterator<Item = &Segment> {
    snapshot.segments().iter().map(AsRef::as_ref).filter(|segment: &&Segment| segment.listed() > 0)
}

/// Works on many segments on several threads; leaves few, and what fails, to whoever comes after.
fn together(snapshot: &Snapshot, is_ready: fn(&Segment) -> bool, work: fn(&[&Segment])) {
    let unready: Vec<&Segment> = listed(snapshot).filter(|segment| !is_ready(segment)).collect();
    if unready.len() < MANY_SEGMENTS {
        return;
    }
    thread::scope(|scope| {
        for part in unready.chunks(unready.len().div_ceil(THREADS)) {
            // If the system refuses a thread, the caller does the work itself.
            thread::Builder::new().spawn_scoped(scope, move || work(part)).ok();
        }
    });
}

/// Renders segments as far as it can.
fn render(segments: &[&Segment]) {
    segments.iter().try_for_each(|segment| ready::rows(segment).map(|_| ())).ok();
}

/// Packs segments as far as it can.
fn pack(segments: &[&Segment]) {
    let mut encoder = ready::encoder();
    segments.iter().try_for_each(|segment| ready::packed(segment, &mut encoder).map(|_| ())).ok();
}

/// Appends a deflate block that holds one byte as it is.
fn push_stored(out: &mut Vec<u8>, crc: &mut Crc, byte: u8, is_last: bool) {
    // Final or not, the length, and the length's complement, as RFC 1951 (3.2.4) has it.
    out.extend_from_slice(&[u8::from(is_last), 1, 0, 0xfe, 0xff, byte]);
    crc.update(&[byte]);
}
