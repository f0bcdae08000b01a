//! Reads an export, and refuses one that is not whole.

use std::io::{BufRead, Read};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::TransferError;
use super::line::{EntryLine, FORMAT, Header, Line, Preamble, VERSION};
use crate::domain::{Key, Timestamp, TransitionId};
use crate::store::{Counts, Record};

/// The most records, and about the most bytes of lines, in a batch.
const RECORDS_AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// The most bytes in a line. The largest record has 10,000 names of 4096 characters.
const MOST_IN_A_LINE: u64 = 256 * 1024 * 1024;

/// What the first line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    pub(super) store_id: String,
    pub(super) revision: i64,
    pub(super) exported_at: Timestamp,
    pub(super) counts: Counts,
}

/// An export that is being read.
pub(super) struct Reader<'a> {
    input: &'a mut (dyn BufRead + Send),
    line: Vec<u8>,
    /// How many lines were read.
    number: u64,
    /// Of the lines before this one.
    digest: Sha256,
    origin: Origin,
    read: Counts,
    last: Last,
    is_at_end: bool,
}

/// The last record, which the next one comes after: kinds in the order of an export, then by key.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Last {
    Nothing,
    Entry(Key),
    Transition(TransitionId),
    Outage(Timestamp),
}

impl<'a> Reader<'a> {
    /// Reads the first line.
    pub(super) fn begin(input: &'a mut (dyn BufRead + Send)) -> Result<Self, TransferError> {
        let origin = Origin {
            store_id: String::new(),
            revision: 0,
            exported_at: Timestamp::NEVER,
            counts: Counts::default(),
        };
        let mut reader = Self {
            input,
            line: Vec::new(),
            number: 0,
            digest: Sha256::new(),
            origin,
            read: Counts::default(),
            last: Last::Nothing,
            is_at_end: false,
        };
        if !reader.next_line()? {
            return Err(reader.refuse("it is empty"));
        }
        reader.origin = header(&reader.line).map_err(|reason| reader.refuse(reason))?;
        Ok(reader)
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns how much was read.
    pub(super) fn read(&self) -> Counts {
        self.read
    }

    /// Reads the next records; none at the end of an export that is whole.
    pub(super) fn next_batch(&mut self) -> Result<Vec<Record>, TransferError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while !self.is_at_end && records.len() < RECORDS_AT_ONCE && bytes < BYTES_AT_ONCE {
            if !self.next_line()? {
                let reason = "it ends here, without its last line: it was cut off";
                return Err(self.refuse(reason));
            }
            bytes += self.line.len();
            let record = self.record().map_err(|reason| self.refuse(reason))?;
            if let Some(record) = record {
                self.read.add(&record);
                records.push(record);
            } else {
                self.is_at_end = true;
                if self.next_line()? {
                    return Err(self.refuse("something follows its last line"));
                }
            }
        }
        Ok(records)
    }

    /// Reads a line; `false` if there is none.
    fn next_line(&mut self) -> Result<bool, TransferError> {
        self.digest.update(&self.line);
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut *self.input).take(MOST_IN_A_LINE);
        let read = limited.read_until(b'\n', &mut self.line).map_err(TransferError::Read)?;
        if self.line.len() as u64 == MOST_IN_A_LINE {
            return Err(self.refuse("it is longer than any line of an export"));
        }
        Ok(read > 0)
    }

    fn refuse(&self, reason: impl Into<String>) -> TransferError {
        TransferError::Line { line: self.number, reason: reason.into() }
    }

    /// Makes the record of the line; `None` if it is the last line, and right.
    fn record(&mut self) -> Result<Option<Record>, String> {
        let line = serde_json::from_slice(&self.line).map_err(|error| reason_of(&error))?;
        let (record, last) = match line {
            Line::Entry(line) => entry(line, &self.last)?,
            Line::Transition(line) => {
                let (id, transition) = line.transition().map_err(|error| error.to_string())?;
                if id < 1 {
                    return Err("id must be a number from 1 on".to_owned());
                }
                (Record::Transition(id, Box::new(transition)), Last::Transition(id))
            }
            Line::Outage(line) => {
                let outage = line.outage();
                (Record::Outage(outage), Last::Outage(outage.from))
            }
            Line::End(end) => {
                let digest = format!("{:x}", self.digest.clone().finalize());
                for said in [self.origin.counts, end.counts] {
                    if said != self.read {
                        return Err(format!("there are {}; expected {said}", self.read));
                    }
                }
                if end.sha256.is_some_and(|sha256| sha256 != digest) {
                    return Err("the lines before it are not what was exported (sha256)".to_owned());
                }
                return Ok(None);
            }
        };
        if last <= self.last {
            return Err("it is not in its place in the order of keys or ids".to_owned());
        }
        self.last = last;
        Ok(Some(record))
    }
}

fn header(line: &[u8]) -> Result<Origin, String> {
    let none = || "it is no export of gitops-status-server".to_owned();
    let preamble: Preamble<'_> = serde_json::from_slice(line).map_err(|_| none())?;
    if preamble.format != FORMAT {
        return Err(none());
    }
    if preamble.version != VERSION {
        return Err(format!(
            "it is an export of version {}, and this program reads version {VERSION}: use the program \
             that wrote it, or a later one",
            preamble.version
        ));
    }
    let header: Header<'_> = serde_json::from_slice(line).map_err(|error| reason_of(&error))?;
    Ok(Origin {
        store_id: header.store_id.into_owned(),
        revision: header.revision,
        exported_at: header.exported_at.0,
        counts: header.counts,
    })
}

fn entry(line: EntryLine<'_>, last: &Last) -> Result<(Record, Last), String> {
    let repo = match last {
        Last::Entry(key) => Some(&key.repo),
        Last::Nothing | Last::Transition(_) | Last::Outage(_) => None,
    };
    let entry = line.entry(repo).map_err(|error| error.to_string())?;
    let key = entry.report.to_key();
    Ok((Record::Entry(Arc::new(entry)), Last::Entry(key)))
}

/// Names an error of JSON without its line, which is always the first.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((reason, column)) => format!("{reason} (column {column})"),
        None => text,
    }
}
