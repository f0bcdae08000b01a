//! The reader of bodies, which inflates gzip within a limit.

use std::io::{BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use gitops_status_server::http::Bodies;
use gitops_status_server::http::fuzzing::{Refusal, take_body};

use crate::refusal::is_understandable;

/// The memory that a body may take beside its bytes.
const INFLATER: usize = 96 * 1024;

/// A body is the same however it is cut into chunks and compressed; it never takes more memory than
/// its limit; and the memory is free again afterwards.
pub fn body(input: &[u8]) {
    let [kind, step, limit, rest @ ..] = input else { return };
    let limit = 16 << (limit % 13);
    let step = 1 + usize::from(*step);
    match kind % 3 {
        0 => {
            let expected = if rest.len() > limit { Err(413) } else { Ok(rest.to_vec()) };
            assert_eq!(taken(rest, step, limit, false).map_err(|it| it.status), expected);
        }
        1 => {
            let expected = if rest.len() > limit { Err(413) } else { Ok(rest.to_vec()) };
            let (start, end) = rest.split_at(rest.len() / 2);
            // Several members count as one body.
            let sent = [compressed(start), compressed(end)].concat();
            assert_eq!(taken(&sent, step, limit, true).map_err(|it| it.status), expected);
        }
        _ => damaged(rest, step, limit),
    }
}

/// Any bytes at all that are said to be gzip.
fn damaged(sent: &[u8], step: usize, limit: usize) {
    let mut inflated = Vec::new();
    // Byte by byte, so that nothing is lost that comes before a fault.
    let one_by_one = BufReader::with_capacity(1, sent);
    let whole = MultiGzDecoder::new(one_by_one).take(limit as u64 + 1).read_to_end(&mut inflated);
    match taken(sent, step, limit, true) {
        Ok(bytes) => assert!(whole.is_ok() && bytes == inflated, "{whole:?}"),
        Err(Refusal { status: 413, .. }) => assert!(inflated.len() > limit),
        Err(refusal) => {
            assert_eq!(refusal.message, "Invalid JSON payload");
            is_understandable(&refusal);
        }
    }
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all bytes")
}

/// Takes a body twice, with memory for one.
fn taken(sent: &[u8], step: usize, limit: usize, is_gzip: bool) -> Result<Vec<u8>, Refusal> {
    let bodies = Bodies::with_capacity(limit + if is_gzip { INFLATER } else { 0 });
    let take = || take_body(&bodies, limit, is_gzip, sent.chunks(step));
    let taken = take();
    assert_eq!(take(), taken);
    taken
}
