//! Keeps a log short about those who do the same wrong thing for ever: after a line about a subject,
//! the others of the next minute are only counted. What the lines say is no matter of this module.

use std::sync::Mutex;
use std::time::Duration;

use crate::mutex::locked;

/// How long after a line there is no other about the same subject.
const PAUSE: Duration = Duration::from_mins(1);
/// How many subjects have a line in one pause.
const MOST: usize = 64;
/// How many of them may be of one sender, so that others have a place.
const MOST_OF_SENDER: usize = 32;
/// How many of them may have one fault and one sender: what is behind a proxy looks like one sender.
const MOST_OF_FAULT: usize = 8;

/// What a line is about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Subject {
    /// Who sent it.
    pub(super) sender: String,
    /// What is wrong.
    pub(super) fault: String,
    /// The entry, as far as it tells reporters apart.
    pub(super) entry: String,
}

/// Decides which lines are logged, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Subjects>);

#[derive(Debug, Default)]
struct Subjects {
    /// The subjects that had a line, the oldest first.
    recent: Vec<Recent>,
    /// How many lines were left out for want of a place.
    crowded_out: u64,
    /// When their number is told.
    told_from: Duration,
}

#[derive(Debug)]
struct Recent {
    subject: Subject,
    silent_until: Duration,
    /// How many lines were left out since.
    left_out: u64,
}

/// What was left out, now that its pause is over.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct LeftOut {
    /// How many lines, by their subject.
    pub(super) alike: Vec<(Subject, u64)>,
    /// How many lines about other subjects, for want of a place.
    pub(super) others: u64,
}

impl Throttle {
    /// Returns whether a line about a subject may be logged, and counts it if not. If it may, the
    /// number says how many were left out since the last one.
    pub(super) fn admit(&self, subject: Subject, now: Duration) -> Option<u64> {
        let mut subjects = locked(&self.0);
        let Subjects { recent, crowded_out, told_from } = &mut *subjects;
        let mut left_out = 0;
        if let Some(place) = recent.iter().position(|known| known.subject == subject) {
            if let Some(known) = recent.get_mut(place).filter(|known| now < known.silent_until) {
                known.left_out += 1;
                return None;
            }
            left_out = recent.remove(place).left_out;
        }
        recent.retain(|known| now < known.silent_until || known.left_out > 0);
        if !has_place(recent, &subject) {
            if *crowded_out == 0 {
                *told_from = now + PAUSE;
            }
            *crowded_out += 1 + left_out;
            return None;
        }
        recent.push(Recent { subject, silent_until: now + PAUSE, left_out: 0 });
        Some(left_out)
    }

    /// Returns what was left out and has not been told, of all whose pause is over.
    pub(super) fn settle(&self, now: Duration) -> LeftOut {
        let mut subjects = locked(&self.0);
        let over = subjects.recent.extract_if(.., |known| now >= known.silent_until);
        let alike = over.filter(|known| known.left_out > 0);
        let alike = alike.map(|known| (known.subject, known.left_out)).collect();
        let others = if now >= subjects.told_from { subjects.crowded_out } else { 0 };
        subjects.crowded_out -= others;
        LeftOut { alike, others }
    }
}

fn has_place(recent: &[Recent], subject: &Subject) -> bool {
    let of_sender = || recent.iter().filter(|known| known.subject.sender == subject.sender);
    let of_fault = of_sender().filter(|known| known.subject.fault == subject.fault);
    recent.len() < MOST && of_sender().count() < MOST_OF_SENDER && of_fault.count() < MOST_OF_FAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(sender: &str, fault: &str, entry: usize) -> Subject {
        let (sender, fault) = (sender.to_owned(), fault.to_owned());
        Subject { sender, fault, entry: entry.to_string() }
    }

    #[test]
    fn the_noisiest_sender_hides_no_other_fault_and_no_other_sender() {
        let throttle = Throttle::default();
        let admitted = |sender: &str, fault: &str| {
            let admit = |entry| throttle.admit(subject(sender, fault, entry), PAUSE);
            (0..1000).filter(|entry| admit(*entry).is_some()).count()
        };
        assert_eq!(admitted("proxy", "0"), MOST_OF_FAULT);
        assert_eq!(admitted("proxy", "1"), MOST_OF_FAULT);
        let others: usize = (2..1000).map(|fault| admitted("proxy", &fault.to_string())).sum();
        assert_eq!(others, MOST_OF_SENDER - 2 * MOST_OF_FAULT);
        let others: usize = (0..1000).map(|sender| admitted(&sender.to_string(), "0")).sum();
        assert_eq!(others, MOST - MOST_OF_SENDER);
    }

    #[test]
    fn what_was_left_out_is_told_after_a_minute_or_with_the_next_line() {
        let throttle = Throttle::default();
        let noisy = || subject("a", "f", 0);
        let seconds = Duration::from_secs;
        assert_eq!(throttle.admit(noisy(), seconds(0)), Some(0));
        for second in 1..60 {
            assert_eq!(throttle.admit(noisy(), seconds(second)), None);
        }
        assert_eq!(throttle.settle(seconds(59)), LeftOut::default());
        assert_eq!(throttle.admit(noisy(), seconds(60)), Some(59));
        assert_eq!(throttle.admit(noisy(), seconds(61)), None);
        let told = LeftOut { alike: vec![(noisy(), 1)], others: 0 };
        assert_eq!(throttle.settle(seconds(120)), told);
        assert_eq!(throttle.settle(seconds(121)), LeftOut::default());
        assert_eq!(throttle.admit(noisy(), seconds(121)), Some(0));
    }

    #[test]
    fn what_found_no_place_is_told_as_a_number() {
        let throttle = Throttle::default();
        for entry in 0..20 {
            throttle.admit(subject("a", "f", entry), PAUSE);
        }
        assert_eq!(throttle.settle(PAUSE), LeftOut::default());
        let others = 20 - MOST_OF_FAULT as u64;
        assert_eq!(throttle.settle(2 * PAUSE), LeftOut { alike: Vec::new(), others });
        assert_eq!(throttle.settle(3 * PAUSE), LeftOut::default());
    }
}
