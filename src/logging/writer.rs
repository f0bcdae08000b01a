//! The thread that writes the log, and the only one that may wait for standard error.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use log::{Level, Log, Record};

use super::queue::Queue;

/// The most that is written at once: no other process that writes to the same pipe gets between
/// the lines of one such write (`PIPE_BUF`).
const PIECE: usize = 4096;
/// How long to wait for an output that says that it takes nothing just now.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes lines for as long as the process lives, and says where some are missing; that is said by
/// a logger that writes by itself.
pub(super) fn write(queue: &Queue, output: &mut impl Write, direct: &impl Log) {
    let (mut lines, mut unsaid) = (Vec::new(), 0);
    loop {
        unsaid += queue.take(&mut lines);
        let mut is_heard = true;
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(end_of_piece(rest));
            rest = next;
            is_heard = write_whole(output, piece);
            if !is_heard {
                let lost = piece.split_inclusive(|byte| *byte == b'\n').count() as u64;
                queue.count_dropped(lost);
                unsaid += lost;
            }
        }
        if unsaid > 0 && is_heard {
            let text = format_args!("{unsaid} lines of the log are missing here");
            direct.log(&Record::builder().level(Level::Warn).args(text).build());
            unsaid = 0;
        }
    }
}

/// Returns where the last line that fits ends, or the first line if it is too long.
fn end_of_piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let last = match lines.get(..PIECE) {
        Some(head) => head.iter().rposition(is_end).or_else(|| lines.iter().position(is_end)),
        None => None,
    };
    last.map_or(lines.len(), |last| last + 1)
}

/// Writes lines for as long as that takes. Returns whether it was possible.
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
