//! Reads the files that settings name, with bounds on their size and on the wait for a pipe.
//!
//! This module must not know what a file holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// The largest accepted file, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How long the writer of a pipe may stay silent.
const PIPE_TIMEOUT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Reads a regular file, or a pipe that has a writer, such as the shell's `<(command)`.
///
/// # Errors
/// Anything else, such as a device; more than 1 MiB; a pipe without a writer, or whose writer is
/// silent for five seconds; any error of the system.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| io::Error::other("it is not valid UTF-8"))
}

/// Reads a file that will be read again, as bytes.
///
/// # Errors
/// Anything but a regular file; more than 1 MiB; any error of the system.
pub(super) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe; expected a file that can be read again"));
    }
    read_bytes(path)
}

/// Reads the same as [`read`] as bytes.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() && !kind.is_fifo() {
        return Err(io::Error::other("it is neither a regular file nor a pipe"));
    }
    // Opening a pipe without a writer would block.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let bytes = read_bounded(&mut file)?;
    if kind.is_fifo() && bytes.is_empty() {
        return Err(io::Error::other("it is a pipe that nobody writes to"));
    }
    Ok(bytes)
}

fn read_bounded(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_writer(file)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
        }
    }
}

fn wait_for_writer(file: &File) -> io::Result<()> {
    match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&PIPE_TIMEOUT)) {
        Ok(0) => Err(io::Error::other("it is a pipe whose writer is silent")),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
