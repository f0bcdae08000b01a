//! Chance that can be repeated: numbers that depend only on the seed and on what they are for.
//!
//! There is no state, so any moment of the fleet's life can be worked out without those before it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a number is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    BadDeploy,
    BadFiles,
    Outage,
    Decommission,
    DeadRunner,
    HandEdit,
    EditedFiles,
    CheckTime,
    Flapping,
    Revision,
}

/// The source of chance for one seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    seed: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Draws any number.
    pub(super) fn draw(self, of: Of, about: [i64; 3]) -> u64 {
        let mut bytes = [0; 32];
        let numbers = [of as i64, about[0], about[1], about[2]];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes, self.seed)
    }

    /// Draws a number from 0 to `end`, without `end`.
    pub(super) fn below(self, end: i64, of: Of, about: [i64; 3]) -> i64 {
        // 31 bits are enough for every range here, and the remainder hardly favours anything.
        let drawn = i64::try_from(self.draw(of, about) >> 33).unwrap_or(0);
        drawn.rem_euclid(end.max(1))
    }

    /// Draws an order of the numbers below `count`.
    pub(super) fn order(self, count: usize, of: Of, cycle: i64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let end = i64::try_from(last + 1).unwrap_or(1);
            let about = [cycle, i64::MIN, end];
            order.swap(last, usize::try_from(self.below(end, of, about)).unwrap_or(0));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_number_once_and_differs_between_cycles() {
        let chance = Chance::new(1);
        let (first, second) = (chance.order(22, Of::Outage, 0), chance.order(22, Of::Outage, 1));
        assert_ne!(first, second);
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..22));
    }
}
