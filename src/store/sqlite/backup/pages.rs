//! Copies a database page by page while it is written to.
//!
//! A read transaction, which the caller holds, keeps the log from starting over. So the log has every
//! page that has changed in the file since the transaction began. Before the caller lets the log
//! start over, [`Pages::note_log`] remembers which pages these are, and they are copied again. At the
//! end the log itself is copied, and SQLite takes it into the copy.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::draft::check_room;
use crate::store::BackupError;
use crate::store::sqlite::file::beside;
use crate::store::sqlite::wal::{FRAME_HEADER, HEADER};

/// How much is copied at once.
const PIECE: usize = 1 << 20;
/// How much is copied until it is synced: one large sync at the end would hold up those of updates.
const SYNCED_AT_ONCE: u64 = 8 << 20;
/// The longest pause after a piece. A pause is as long as the piece took.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// From how many new frames on the log should start over: 4 MiB of them.
const MANY_FRAMES: u64 = 1024;

/// The pages of a copy.
pub(super) struct Pages {
    source: Arc<File>,
    log: PathBuf,
    target: File,
    path: PathBuf,
    page_size: u64,
    /// The bytes from here on have not been copied.
    next: u64,
    /// The pages that have changed in the file, and may have been copied before that.
    changed: BTreeSet<u32>,
    /// The log as it was when it was last noted.
    noted: Log,
}

/// How far the log has got.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Log {
    /// They differ each time the log has started over.
    salts: [u8; 8],
    frames: u64,
}

impl Pages {
    /// Begins to copy an open database to a file.
    pub(super) fn begin(
        database: &Path,
        source: Arc<File>,
        page_size: u64,
        target: File,
        path: PathBuf,
    ) -> Self {
        Self {
            source,
            log: beside(database, "-wal"),
            target,
            path,
            page_size,
            next: 0,
            changed: BTreeSet::new(),
            noted: Log::default(),
        }
    }

    /// Makes sure that there is room for all of the copy.
    pub(super) fn check_room(&self) -> Result<(), BackupError> {
        let rest = length(&self.source)?.saturating_sub(self.next);
        let log = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        check_room(&self.path, rest.saturating_add(log))
    }

    /// Forgets what has changed: nothing was copied before.
    pub(super) fn forget_changes(&mut self) {
        self.changed.clear();
    }

    /// Copies some more of the file. Returns whether there is more.
    pub(super) fn copy_piece(&mut self) -> Result<bool, BackupError> {
        let began = Instant::now();
        let mut piece = vec![0; PIECE];
        let count = read_at(&self.source, &mut piece, self.next)?;
        self.target.write_all_at(piece.get(..count).unwrap_or_default(), self.next)?;
        self.next = self.next.saturating_add(count as u64);
        if self.next % SYNCED_AT_ONCE < PIECE as u64 {
            self.target.sync_data()?;
            self.check_room()?;
        }
        thread::sleep(began.elapsed().min(LONGEST_PAUSE));
        Ok(count == PIECE)
    }

    /// Copies some of the changed pages again. Returns whether there are more.
    pub(super) fn copy_changed(&mut self) -> Result<bool, BackupError> {
        let mut page = vec![0; usize::try_from(self.page_size).unwrap_or(0)];
        for _ in 0..PIECE / page.len().max(1) {
            let Some(number) = self.changed.pop_first() else { break };
            let place = u64::from(number).saturating_sub(1).saturating_mul(self.page_size);
            // A page behind the end was returned to the file system, or is still in the log alone.
            let count = read_at(&self.source, &mut page, place)?;
            self.target.write_all_at(page.get(..count).unwrap_or_default(), place)?;
        }
        Ok(!self.changed.is_empty())
    }

    /// Whether the log has grown much since it was last noted.
    pub(super) fn has_large_log(&self) -> io::Result<bool> {
        let Some(log) = open(&self.log)? else { return Ok(false) };
        let is_same = salts(&log)? == self.noted.salts;
        let many = if is_same { self.noted.frames } else { 0 }.saturating_add(MANY_FRAMES);
        let frame = self.place_of_frame(many);
        // The salts of a frame tell whether it is of this log or was there before that started over.
        let mut header = [0; 16];
        let there = read_at(&log, &mut header, frame)?;
        Ok(there == header.len() && header.ends_with(&salts(&log)?))
    }

    /// Remembers which pages are in the log. Nothing may write meanwhile.
    pub(super) fn note_log(&mut self) -> io::Result<()> {
        let Some(log) = open(&self.log)? else { return Ok(()) };
        let salts = salts(&log)?;
        let mut noted = Log { salts, frames: 0 };
        let mut header = [0; 16];
        for frame in 0.. {
            if read_at(&log, &mut header, self.place_of_frame(frame))? < header.len() {
                break;
            }
            // Frames from before the log started over may be noted too: that does no harm.
            let [a, b, c, d, ..] = header;
            self.changed.insert(u32::from_be_bytes([a, b, c, d]));
            if header.ends_with(&salts) {
                noted.frames = frame.saturating_add(1);
            }
        }
        self.changed.remove(&0);
        self.noted = noted;
        Ok(())
    }

    /// Copies the log beside the copy, as far as it has got.
    pub(super) fn copy_log(self) -> Result<(), BackupError> {
        self.target.set_len(length(&self.source)?)?;
        let Some(mut log) = open(&self.log)? else { return Ok(()) };
        io::copy(&mut log, &mut File::create(beside(&self.path, "-wal"))?)?;
        Ok(())
    }

    fn place_of_frame(&self, number: u64) -> u64 {
        let size = self.page_size.saturating_add(FRAME_HEADER as u64);
        number.saturating_mul(size).saturating_add(HEADER as u64)
    }
}

fn open(log: &Path) -> io::Result<Option<File>> {
    match File::open(log) {
        Ok(log) => Ok(Some(log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn length(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// Reads the salts in the header of a log; those of an empty one are zero.
fn salts(log: &File) -> io::Result<[u8; 8]> {
    let mut salts = [0; 8];
    read_at(log, &mut salts, 16)?;
    Ok(salts)
}

/// Fills as much of a buffer as the file has. Returns how much that is.
fn read_at(file: &File, room: &mut [u8], place: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, place.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
