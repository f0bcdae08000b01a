//! Effort: a budget for an answer, so that long work can be given up.
//!
//! Knows neither clocks nor clients: the caller decides when to stop.

use thiserror::Error;

/// Work was stopped before its result was found.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the answer was given up")]
pub struct GivenUp;

/// How many units to spend between two calls of `goes_on`: some 100 µs of work.
const UNITS_A_LOOK: usize = 64 * 1024;

/// The cost of looking at an entry, in units, without the comparison of its names.
pub const ENTRY: usize = 8;

/// How much work an answer may take. A unit is about the comparison of one byte with one pattern,
/// or the rendering of one byte.
pub struct Effort<'a> {
    left: usize,
    /// Called when nothing is left; without it, the effort ends there.
    goes_on: Option<&'a mut dyn FnMut() -> bool>,
}

impl<'a> Effort<'a> {
    /// Effort that lasts for as long as `goes_on` returns true.
    pub fn watched(goes_on: &'a mut dyn FnMut() -> bool) -> Self {
        Self { left: 0, goes_on: Some(goes_on) }
    }

    /// Spends some units.
    ///
    /// # Errors
    /// [`GivenUp`] if the work has to stop.
    #[inline]
    pub fn spend(&mut self, units: usize) -> Result<(), GivenUp> {
        if let Some(left) = self.left.checked_sub(units) {
            self.left = left;
            return Ok(());
        }
        if !self.goes_on.as_mut().is_some_and(|goes_on| goes_on()) {
            return Err(GivenUp);
        }
        self.left = UNITS_A_LOOK;
        Ok(())
    }
}

impl Effort<'static> {
    /// Effort without a limit, for work that is known to be small.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::limited(usize::MAX)
    }

    /// Effort that ends after a number of units.
    #[must_use]
    pub fn limited(units: usize) -> Self {
        Self { left: units, goes_on: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limited_effort_ends_and_watched_effort_asks() {
        let mut effort = Effort::limited(10);
        assert_eq!(effort.spend(7), Ok(()));
        assert_eq!(effort.spend(4), Err(GivenUp));
        let mut looks = 0;
        let mut goes_on = || {
            looks += 1;
            looks < 3
        };
        let mut effort = Effort::watched(&mut goes_on);
        let spent = (0..100).take_while(|_| effort.spend(UNITS_A_LOOK / 4).is_ok()).count();
        assert_eq!((spent, looks), (10, 3));
        assert_eq!(Effort::unlimited().spend(usize::MAX), Ok(()));
    }
}
