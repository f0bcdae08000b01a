//! The list of everything, joined from what the segments have ready.
//!
//! A change makes one segment's rows and compressed rows anew; all others are used as they are.

use std::io::Write;
use std::thread;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::{RenderError, json};
use crate::domain::{Packed, Segment, Snapshot};

/// A gzip header without name or time, so that equal content gives equal bytes.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// How hard the list is compressed: for the rows of 64 entries this takes twice as long as the
/// quickest level and makes two thirds of the bytes, and each is sent many times.
const LEVEL: u32 = 3;

/// From how many segments on threads are worth their start.
const MANY_SEGMENTS: usize = 16;

/// How many threads work on many segments. When updates keep every processor busy, a reader's share of
/// the processors is that of its threads: with one he waits until all segments have changed again.
const THREADS: usize = 4;

/// Returns a JSON array of all entries, in parts to be sent one after the other.
///
/// # Errors
/// See [`RenderError`].
pub fn whole(snapshot: &Snapshot) -> Result<Vec<Bytes>, RenderError> {
    together(snapshot, |segment| segment.memo().rows.get().is_some(), render);
    let mut parts = vec![Bytes::from_static(b"[")];
    for segment in listed(snapshot) {
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(json::rows(segment)?.bytes.clone());
    }
    parts.push(Bytes::from_static(b"]"));
    Ok(parts)
}

/// Returns the same as one gzip stream; made once a snapshot.
///
/// # Errors
/// See [`RenderError`].
pub fn whole_gzip(snapshot: &Snapshot) -> Result<Bytes, RenderError> {
    if let Some(ready) = snapshot.packed().get() {
        return Ok(ready.clone());
    }
    together(snapshot, |segment| segment.memo().packed.get().is_some(), pack);
    let mut out = GZIP_HEADER.to_vec();
    let mut crc = Crc::new();
    let mut encoder = encoder();
    push_stored(&mut out, &mut crc, b'[', false);
    for (position, segment) in listed(snapshot).enumerate() {
        if position > 0 {
            push_stored(&mut out, &mut crc, b',', false);
        }
        let Packed { blocks, crc: part } = packed(segment, &mut encoder)?;
        out.extend_from_slice(blocks);
        crc.combine(part);
    }
    push_stored(&mut out, &mut crc, b']', true);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(snapshot.packed().get_or_init(|| out.into()).clone())
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
    segments.iter().try_for_each(|segment| json::rows(segment).map(|_| ())).ok();
}

/// Packs segments as far as it can.
fn pack(segments: &[&Segment]) {
    let mut encoder = encoder();
    segments.iter().try_for_each(|segment| packed(segment, &mut encoder).map(|_| ())).ok();
}

/// Makes an encoder for many segments: to make it takes as long as to pack a dozen rows.
fn encoder() -> DeflateEncoder<Vec<u8>> {
    DeflateEncoder::new(Vec::new(), Compression::new(LEVEL))
}

/// Returns a segment's rows as deflate blocks that can be followed by others; made once.
fn packed<'a>(
    segment: &'a Segment,
    encoder: &mut DeflateEncoder<Vec<u8>>,
) -> Result<&'a Packed, RenderError> {
    if let Some(packed) = segment.memo().packed.get() {
        return Ok(packed);
    }
    let rows = json::rows(segment)?;
    encoder.reset(Vec::with_capacity(rows.bytes.len() / 8))?;
    encoder.write_all(&rows.bytes)?;
    // A flush ends the last block at a byte, without the mark that would end the stream.
    encoder.flush()?;
    let mut crc = Crc::new();
    crc.update(&rows.bytes);
    let packed = Packed { blocks: std::mem::take(encoder.get_mut()).into(), crc };
    Ok(segment.memo().packed.get_or_init(|| packed))
}

/// Appends a deflate block that holds one byte as it is.
fn push_stored(out: &mut Vec<u8>, crc: &mut Crc, byte: u8, is_last: bool) {
    // Final or not, the length, and the length's complement, as RFC 1951 (3.2.4) has it.
    out.extend_from_slice(&[u8::from(is_last), 1, 0, 0xfe, 0xff, byte]);
    crc.update(&[byte]);
}
