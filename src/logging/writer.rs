//! The thread that writes the log. No other thread waits for standard error.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use log::{Level, Log, Record};

use super::form::TARGET;
use super::queue::Queue;

/// The most bytes of one write. Writes of up to `PIPE_BUF` bytes are atomic, so that lines of another
/// process on the same pipe do not split ours.
const PIECE: usize = 4096;
/// The pause before trying again to write to a non-blocking output that is full.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes lines until the process ends. Where lines are missing, `direct`, a logger without the
/// queue, says so.
pub(super) fn write(queue: &Queue, output: &mut impl Write, direct: &impl Log) {
    let (mut lines, mut unreported) = (Vec::new(), 0);
    loop {
        unreported += queue.take(&mut lines);
        let mut is_written = true;
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(end_of_piece(rest));
            rest = next;
            is_written = write_whole(output, piece);
            if !is_written {
                let lost = piece.split_inclusive(|byte| *byte == b'\n').count() as u64;
                queue.count_dropped(lost);
                unreported += lost;
            }
        }
        if unreported > 0 && is_written {
            let text = format_args!("{unreported} lines of the log are missing here");
            let record = Record::builder().level(Level::Warn).target(TARGET).args(text).build();
            direct.log(&record);
            unreported = 0;
        }
    }
}

/// Returns the end of the last line that fits into a piece, or of the first line if that is longer.
fn end_of_piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let last = match lines.get(..PIECE) {
        Some(head) => head.iter().rposition(is_end).or_else(|| lines.iter().position(is_end)),
        None => None,
    };
    last.map_or(lines.len(), |last| last + 1)
}

/// Writes lines, however long that takes. Returns whether it succeeded.
fn write_whole(output: &mut impl Write, mut lines: &[u8]) -> bool {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => return false,
            Ok(count) => lines = lines.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the output may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_whole_and_several_at_once() {
        assert_eq!(end_of_piece(b"a\nb\n"), 4);
        assert_eq!(end_of_piece(b"no end"), 6);
        let long = ["x".repeat(3000), "y".repeat(3000), "z".repeat(9000)].join("\n") + "\nend\n";
        assert_eq!(end_of_piece(long.as_bytes()), 3001);
        assert_eq!(end_of_piece(&long.as_bytes()[3001..]), 3001);
        assert_eq!(end_of_piece(&long.as_bytes()[6002..]), 9001);
    }
}
