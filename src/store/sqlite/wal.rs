//! Reads the write-ahead log before SQLite opens it, to find commits that are lost.
//!
//! SQLite takes the first broken frame for the end of the log. After a power cut this is right: the
//! last commit may be torn, and was not confirmed. But each commit is synced before the next one
//! begins, so a commit behind such a frame was confirmed and is lost.
//! The format is described in <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::file::beside;

/// The first bytes of a log, except the last bit, which is the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;
pub(super) const HEADER: usize = 32;
pub(super) const FRAME_HEADER: usize = 24;
/// The position of the page size in the header of a database.
const PAGE_SIZE: std::ops::Range<usize> = 16..18;

/// Two words of the log's header that each frame repeats. They change when the log restarts.
type Salts = [u32; 2];

/// Returns the number of confirmed commits in a database's log that cannot be read any more.
///
/// This is an upper bound: it includes commits that a checkpoint has copied into the database.
pub(super) fn lost_commits(database: &Path) -> io::Result<u64> {
    let (Some(page_size), Some(mut log)) = (page_size(database)?, open(&beside(database, "-wal"))?)
    else {
        return Ok(0);
    };
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(0);
    }
    let mut scan = Scan::begin(&header, page_size);
    let mut frame = vec![0; FRAME_HEADER + page_size];
    while fill(&mut log, &mut frame)? {
        scan.take(&frame);
    }
    Ok(scan.lost())
}

/// The state of reading a log.
struct Scan {
    /// Whether the header and all frames so far are sound.
    is_sound: bool,
    has_header: bool,
    is_big_endian: bool,
    checksum: [u32; 2],
    /// The salts of this log. Frames with others are older, from before the log restarted. `None`
    /// if the header is broken, until two frames agree.
    salts: Option<Salts>,
    /// The salts of the previous frame, and whether it ends a commit.
    last: (Salts, bool),
    /// The number of commits that end behind the first broken frame.
    behind: u64,
}

impl Scan {
    fn begin(header: &[u8; HEADER], page_size: usize) -> Self {
        let magic = word(header, 0);
        let mut scan = Self {
            is_sound: false,
            has_header: false,
            is_big_endian: magic & 1 == 1,
            checksum: [0; 2],
            salts: None,
            last: ([0; 2], false),
            behind: 0,
        };
        let (described, checksum) = header.split_at(HEADER - 8);
        scan.add(described);
        let is_sound = magic & !1 == MAGIC
            && usize::try_from(word(header, 8)) == Ok(page_size)
            && scan.checksum == pair(checksum, 0);
        (scan.is_sound, scan.has_header) = (is_sound, is_sound);
        scan.salts = is_sound.then(|| pair(header, 16));
        scan
    }

    fn take(&mut self, frame: &[u8]) {
        let (header, page) = frame.split_at(FRAME_HEADER);
        let (salts, ends_commit) = (pair(header, 8), word(header, 4) > 0);
        if self.is_sound {
            self.add(header.get(..8).unwrap_or_default());
            self.add(page);
            self.is_sound = self.salts == Some(salts) && self.checksum == pair(header, 16);
        }
        if self.salts.is_none() && salts == self.last.0 && salts != [0; 2] {
            self.salts = Some(salts);
            self.behind += u64::from(self.last.1);
        }
        if !self.is_sound && self.salts == Some(salts) {
            self.behind += u64::from(ends_commit);
        }
        self.last = (salts, ends_commit);
    }

    fn lost(&self) -> u64 {
        // A single one may be torn. The header is synced before the first frame.
        if self.behind == 1 && self.has_header { 0 } else { self.behind }
    }

    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.checksum;
        for eight in bytes.chunks_exact(8) {
            let [mut a, mut b] = pair(eight, 0);
            if !self.is_big_endian {
                (a, b) = (a.swap_bytes(), b.swap_bytes());
            }
            first = first.wrapping_add(a).wrapping_add(second);
            second = second.wrapping_add(b).wrapping_add(first);
        }
        self.checksum = [first, second];
    }
}

fn pair(bytes: &[u8], place: usize) -> [u32; 2] {
    [word(bytes, place), word(bytes, place + 4)]
}

fn word(bytes: &[u8], place: usize) -> u32 {
    let four = bytes.get(place..place + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

fn page_size(database: &Path) -> io::Result<Option<usize>> {
    let Some(mut file) = open(database)? else { return Ok(None) };
    let mut header = [0; 100];
    if !fill(&mut file, &mut header)? {
        return Ok(None);
    }
    let size = header.get(PAGE_SIZE).and_then(|size| size.try_into().ok());
    Ok(match size.map(u16::from_be_bytes) {
        Some(1) => Some(65_536),
        Some(size) if size >= 512 => Some(size.into()),
        Some(_) | None => None,
    })
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fills a buffer. Returns false at the end of the file.
fn fill(file: &mut impl Read, room: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
