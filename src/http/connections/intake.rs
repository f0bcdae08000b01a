//! Hands requests to actix one after the other, however many a client has sent at once.
//!
//! actix decodes all that it has read, up to 128 KiB, into requests of kilobytes each, whatever its
//! limit of waiting requests. While they wait it spins, and it ends a connection whose next body is
//! not complete. So what follows a request stays outside until that request is answered.
//!
//! This is no second parser. It knows that every head and every chunked body ends with a blank line,
//! and learns from actix how long a body is. It sees every blank line that actix sees; a blank line
//! inside a body costs another turn and changes nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::memchr;

/// The most that is read ahead of a request, in bytes.
const AHEAD: usize = 8 * 1024;

/// What is known of the body of the request under way. Only its connection's own task uses it.
#[derive(Debug, Default)]
pub(super) struct BodyIntake {
    /// How many bytes have been handed over behind the request's head.
    behind_head: AtomicUsize,
    /// How many more bytes the body has, if its length is announced and it will be read.
    left: AtomicUsize,
    /// Whether the body will be read.
    is_expected: AtomicBool,
}

impl BodyIntake {
    /// Notes that the body will be read, and its length unless it is chunked.
    pub(super) fn expect(&self, length: usize) {
        let left = length.saturating_sub(self.behind_head.load(Ordering::Relaxed));
        self.left.store(left, Ordering::Relaxed);
        self.is_expected.store(true, Ordering::Relaxed);
    }

    /// Notes that the request has ended.
    pub(super) fn end(&self) {
        self.left.store(0, Ordering::Relaxed);
        self.is_expected.store(false, Ordering::Relaxed);
    }

    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    pub(super) fn is_expected(&self) -> bool {
        self.is_expected.load(Ordering::Relaxed)
    }

    /// Returns how much may be read from the client at once.
    pub(super) fn most(&self) -> usize {
        self.left().max(AHEAD)
    }
}

/// What actix may have next.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// The head of a request.
    Head,
    /// More of a chunked body.
    Chunks,
    /// This much of a body.
    Body(usize),
    /// Nothing until the request under way is answered.
    Nothing,
}

/// What has been handed over in one turn. In a turn actix reads until nothing is left, decodes that,
/// and answers as far as it can.
#[derive(Default)]
pub(super) struct Turn {
    /// Whether a blank line was handed over.
    has_end: bool,
    lines: BlankLines,
}

impl Turn {
    pub(super) fn begin(&mut self, body: &BodyIntake, wanted: Wanted) {
        self.has_end = false;
        if wanted == Wanted::Head {
            body.behind_head.store(0, Ordering::Relaxed);
        }
    }

    /// Returns how many of these bytes are to be handed over.
    pub(super) fn admit(&mut self, body: &BodyIntake, wanted: Wanted, bytes: &[u8]) -> usize {
        match wanted {
            Wanted::Head => self.admit_head(body, bytes),
            Wanted::Chunks if !self.has_end => {
                let end = self.lines.end_of_next(bytes);
                self.has_end = end.is_some();
                end.unwrap_or(bytes.len())
            }
            Wanted::Chunks | Wanted::Nothing => 0,
            Wanted::Body(left) => {
                self.lines = BlankLines::default();
                let count = left.min(bytes.len());
                body.left.store(left - count, Ordering::Relaxed);
                count
            }
        }
    }

    /// What follows a head is most likely its body, so it is handed over with it. If it has a blank
    /// line it may be another request.
    fn admit_head(&mut self, body: &BodyIntake, bytes: &[u8]) -> usize {
        let mut lines = self.lines;
        let mut end = 0;
        if !self.has_end {
            let Some(found) = lines.end_of_next(bytes) else {
                self.lines = lines;
                return bytes.len();
            };
            // actix reads the empty lines before a head anew in each turn, so all of them go along.
            let empty_lines = empty_lines(bytes.get(found..).unwrap_or_default());
            body.behind_head.fetch_add(empty_lines, Ordering::Relaxed);
            (end, self.has_end, self.lines) = (found + empty_lines, true, lines);
        }
        let rest = bytes.get(end..).unwrap_or_default();
        if lines.end_of_next(rest).is_some() {
            return end;
        }
        self.lines = lines;
        body.behind_head.fetch_add(rest.len(), Ordering::Relaxed);
        bytes.len()
    }
}

/// Returns how many of these bytes are empty lines in front of all others.
fn empty_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Finds blank lines in bytes that arrive in pieces.
#[derive(Clone, Copy, Default)]
enum BlankLines {
    #[default]
    InLine,
    AfterNewline,
    AfterReturn,
}

impl BlankLines {
    /// Returns where the next blank line ends.
    fn end_of_next(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let skipped = match (*self, byte) {
                (Self::InLine, _) => memchr(b'\n', bytes.get(at..)?),
                (Self::AfterNewline | Self::AfterReturn, b'\n') => {
                    *self = Self::InLine;
                    return Some(at + 1);
                }
                (Self::AfterNewline, b'\r') => {
                    *self = Self::AfterReturn;
                    at += 1;
                    continue;
                }
                _ => {
                    *self = Self::InLine;
                    continue;
                }
            };
            at += skipped? + 1;
            *self = Self::AfterNewline;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    fn admitted(turn: &mut Turn, body: &BodyIntake, bytes: &[u8]) -> usize {
        turn.begin(body, Wanted::Head);
        turn.admit(body, Wanted::Head, bytes)
    }

    #[test]
    fn one_head_is_handed_over_however_the_bytes_arrive() {
        let (body, all) = (BodyIntake::default(), [HEAD, HEAD].concat());
        for cut in 0..HEAD.len() {
            let mut turn = Turn::default();
            assert_eq!(admitted(&mut turn, &body, &all[..cut]), cut);
            assert_eq!(turn.admit(&body, Wanted::Head, &all[cut..]), HEAD.len() - cut);
            assert_eq!(turn.admit(&body, Wanted::Head, HEAD), 0);
            assert_eq!(admitted(&mut turn, &body, HEAD), HEAD.len());
        }
        assert_eq!(admitted(&mut Turn::default(), &body, b"GET / HTTP/1.1\n\nGET /\n\n"), 16);
    }

    #[test]
    fn empty_lines_behind_a_head_are_handed_over_with_it_and_count_as_its_body() {
        let (body, mut turn) = (BodyIntake::default(), Turn::default());
        let start = [HEAD, b"\n\r\n\n"].concat();
        assert_eq!(
            admitted(&mut turn, &body, &[&start, b"{\n\n}GET /".as_slice()].concat()),
            start.len()
        );
        body.expect(8);
        assert_eq!(turn.admit(&body, Wanted::Body(body.left()), b"{\n\n}GET /"), 4);
        assert_eq!(admitted(&mut turn, &body, &b"\r\n".repeat(4000)), 8000);
    }

    #[test]
    fn a_body_comes_with_its_head_and_is_handed_over_to_its_end() {
        let (body, mut turn) = (BodyIntake::default(), Turn::default());
        let start = [HEAD, b"{12"].concat();
        assert_eq!(admitted(&mut turn, &body, &start), start.len());
        body.expect(8);
        assert_eq!(turn.admit(&body, Wanted::Body(body.left()), b"3456}GET /"), 5);
        assert_eq!(body.left(), 0);
    }

    #[test]
    fn a_chunked_body_is_handed_over_up_to_a_blank_line() {
        let (body, mut turn) = (BodyIntake::default(), Turn::default());
        turn.begin(&body, Wanted::Chunks);
        assert_eq!(turn.admit(&body, Wanted::Chunks, b"3\r\nabc\r\n0\r\n\r"), 12);
        assert_eq!(turn.admit(&body, Wanted::Chunks, b"\nGET /"), 1);
        assert_eq!(turn.admit(&body, Wanted::Chunks, b"GET /"), 0);
    }
}
