//! Writes everything that a store holds.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{End, FORMAT, Header, Line, VERSION};
use super::moment::Moment;
use super::{Progress, TransferError};
use crate::domain::Timestamp;
use crate::store::{Contents, Counts, Outgoing};

/// Writes everything that a store holds as lines of JSON, and returns how much that was.
///
/// # Errors
/// See [`TransferError`].
pub async fn export(
    store: &mut dyn Outgoing,
    at: Timestamp,
    output: &mut (dyn Write + Send),
    progress: &mut Progress,
) -> Result<Contents, TransferError> {
    let contents = store.contents().clone();
    let Contents { store_id, revision, counts } = &contents;
    let mut lines = Lines { output, digest: Sha256::new(), line: Vec::with_capacity(4096) };
    let header = Header {
        format: FORMAT.into(),
        version: VERSION,
        store_id: store_id.into(),
        revision: revision.0,
        exported_at: Moment(at),
        counts: *counts,
    };
    lines.write(&header).map_err(TransferError::Write)?;
    let mut written = Counts::default();
    let mut last = None;
    loop {
        let mut records = store.records_after(last.as_ref()).await?;
        for record in &records {
            lines.write(&Line::of(record)).map_err(TransferError::Write)?;
            written.add(record);
        }
        last = records.pop();
        if last.is_none() {
            break;
        }
        progress.show(written.sum(), counts.sum());
    }
    lines.end(written).map_err(TransferError::Write)?;
    progress.clear();
    Ok(contents)
}

/// Lines, and the digest of those that were written.
struct Lines<'a> {
    output: &'a mut (dyn Write + Send),
    digest: Sha256,
    line: Vec<u8>,
}

impl Lines<'_> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        self.output.write_all(&self.line)
    }

    fn end(mut self, counts: Counts) -> io::Result<()> {
        let digest = format!("{:x}", self.digest.clone().finalize());
        self.write(&Line::End(End { counts, sha256: Some(digest.into()) }))?;
        self.output.flush()
    }
}
