//! The clock: the only module that asks the system for the time.
//!
//! All other modules are given a [`Clock`] or a time, so tests can move the clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::domain::{Now, Timestamp};
use crate::mutex::locked;

/// A larger difference between the wall clock and the monotonic one counts as a jump.
///
/// NTP slews both clocks alike; leap seconds and rounding stay far below this.
const JUMP: Duration = Duration::from_secs(5);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The wall clock, which can be set.
    pub wall: Timestamp,
    /// The monotonic clock; only differences are meaningful.
    pub monotonic: Duration,
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn read(&self) -> Reading;

    /// Reads the monotonic clock alone.
    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "this is the module that asks the system")]
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the module that asks the system")]
    fn read(&self) -> Reading {
        let now = SystemTime::now();
        let wall = match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Timestamp::from_millis(0).plus(since),
            Err(before) => Timestamp::from_millis(0).minus(before.duration()),
        };
        Reading { wall, monotonic: self.monotonic() }
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that moves only when it is told to; for tests.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Reading>>);

impl ManualClock {
    /// Makes a clock that shows this time.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Reading { wall, monotonic: Duration::ZERO })))
    }

    /// Moves both clocks forward.
    pub fn advance(&self, span: Duration) {
        let mut reading = locked(&self.0);
        reading.wall = reading.wall.plus(span);
        reading.monotonic += span;
    }

    /// Sets the wall clock alone, as an operator or a broken time server does.
    pub fn set_wall(&self, wall: Timestamp) {
        locked(&self.0).wall = wall;
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        *locked(&self.0)
    }
}

/// Detects jumps of the wall clock by comparing it with the monotonic one.
#[derive(Debug)]
pub struct Steadiness {
    /// Both clocks at the start, or after the last jump.
    base: Reading,
}

impl Steadiness {
    /// Starts to watch; the clock counts as steady from this reading on.
    #[must_use]
    pub fn begin(base: Reading) -> Self {
        Self { base }
    }

    /// Takes a reading. Returns the time with how long the clock has been steady, and whether the
    /// wall clock has jumped.
    pub fn observe(&mut self, reading: Reading) -> (Now, bool) {
        let elapsed = reading.monotonic.saturating_sub(self.base.monotonic);
        let expected = self.base.wall.plus(elapsed).millis();
        let off_by = Duration::from_millis(expected.abs_diff(reading.wall.millis()));
        let jumped = off_by > JUMP;
        if jumped {
            self.base = reading;
        }
        let steady_for = reading.monotonic.saturating_sub(self.base.monotonic);
        (Now { at: reading.wall, steady_for }, jumped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_starts_the_watch_anew() {
        let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
        let mut steadiness = Steadiness::begin(clock.read());
        clock.advance(Duration::from_secs(700));
        let (now, jumped) = steadiness.observe(clock.read());
        assert_eq!((now.steady_for.as_secs(), jumped), (700, false));

        clock.set_wall(now.at.plus(Duration::from_hours(24)));
        let (now, jumped) = steadiness.observe(clock.read());
        assert_eq!((now.steady_for.as_secs(), jumped), (0, true));

        clock.advance(Duration::from_secs(3));
        let (now, jumped) = steadiness.observe(clock.read());
        assert_eq!((now.steady_for.as_secs(), jumped), (3, false));
    }

    #[test]
    fn small_steps_that_add_up_are_a_jump() {
        let clock = ManualClock::at(Timestamp::from_millis(1_000_000));
        let mut steadiness = Steadiness::begin(clock.read());
        let mut jumps = 0;
        for _ in 0..6 {
            let wall = clock.read().wall;
            clock.set_wall(wall.minus(Duration::from_secs(1)));
            jumps += usize::from(steadiness.observe(clock.read()).1);
        }
        assert_eq!(jumps, 1);
    }
}
