//! Questions about the past, answered from the records of any database.

mod page;
mod prunable;
mod records;
mod timeline;
mod timeline_by_name;

pub(super) use page::read_page;
#[cfg(test)]
pub(super) use page::read_within;
pub(super) use prunable::{OldRecords, find_prunable};
pub(super) use records::{FoundPairs, Pairs, Records, Stretch, Take, condition_of, for_each};
pub(super) use timeline::read_timeline;
