//! The list of all entries, joined from the rows that segments keep ready.
//!
//! After a change, one row is rendered again and its segment compressed again; the rest is reused.

use std::thread;

use bytes::Bytes;
use flate2::Crc;

use super::{RenderError, ready};
use crate::domain::{Segment, Snapshot};

/// A gzip header without name and time, so that equal content gives equal bytes.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The number of segments from which starting threads pays off.
const MANY_SEGMENTS: usize = 16;

/// How many threads work on many segments. While updates keep all processors busy, a reader's share
/// of them depends on its threads: with one, it would finish only once all segments have changed again.
const THREADS: usize = 4;

/// How many segments may be rendered on a thread that serves requests.
const FEW_SEGMENTS: usize = 2;

/// The whole list as a gzip stream, which a snapshot keeps.
struct WholeGzip(Bytes);

/// Whether [`whole`] has hardly anything to render.
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

/// Returns a JSON array of all entries, in parts to send one after the other.
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

/// Returns the same as one gzip stream; compressed once for each snapshot.
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

/// Works on many segments on several threads. A few segments, and those that fail, are left to the
/// caller.
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

/// Renders segments; stops at an error.
fn render(segments: &[&Segment]) {
    segments.iter().try_for_each(|segment| ready::rows(segment).map(|_| ())).ok();
}

/// Compresses segments; stops at an error.
fn pack(segments: &[&Segment]) {
    let mut encoder = ready::encoder();
    segments.iter().try_for_each(|segment| ready::packed(segment, &mut encoder).map(|_| ())).ok();
}

/// Appends a deflate block that stores one byte uncompressed.
fn push_stored(out: &mut Vec<u8>, crc: &mut Crc, byte: u8, is_last: bool) {
    // Whether it is the last block, the length, and its complement: RFC 1951, section 3.2.4.
    out.extend_from_slice(&[u8::from(is_last), 1, 0, 0xfe, 0xff, byte]);
    crc.update(&[byte]);
}
