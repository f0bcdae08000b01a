//! The tiles of the overview. Each counts the entries in one state, and a click on it chooses them.

use super::parameters::Parameters;
use crate::domain::{Filter, Tally};

/// The filters that a tile sets. The tiles count the entries that all other filters let pass.
pub(super) const SET_BY_TILES: [&str; 2] = ["drifted", "stale"];

/// A count, and a link to the counted entries.
pub(super) struct Tile {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) count: usize,
    pub(super) note: String,
    /// `None` where there is nothing to see.
    pub(super) link: Option<String>,
    /// Whether the page shows exactly these entries.
    pub(super) is_chosen: bool,
}

/// Splits a filter into what the tiles set, and all else.
pub(super) fn split(filter: &Filter) -> (Filter, Filter) {
    let Filter { drifted, stale, .. } = *filter;
    let by_tiles = Filter { drifted, stale, ..Filter::default() };
    (by_tiles, Filter { drifted: None, stale: None, ..filter.clone() })
}

/// Makes the tiles. The links of a page keep its other parameters.
pub(super) fn tiles(tally: &Tally, filter: &Filter, page: &Parameters) -> [Tile; 4] {
    let Tally { entries, drifted, stale, stale_drifted, .. } = *tally;
    let word = |value: Option<bool>| value.map(|yes| if yes { "true" } else { "false" });
    let tile = |(class, label), count, by_drift: Option<bool>, by_silence: Option<bool>| {
        let is_chosen = (filter.drifted, filter.stale) == (by_drift, by_silence);
        let chosen = page.with(&[("drifted", word(by_drift)), ("stale", word(by_silence))]);
        let link = (count > 0 || is_chosen).then(|| chosen.link("./"));
        Tile { class, label, count, note: String::new(), link, is_chosen }
    };
    let silent = if stale_drifted > 0 { format!("{stale_drifted} drifted") } else { String::new() };
    let (yes, no) = (Some(true), Some(false));
    [
        tile(("drifted", "Drifted"), drifted, yes, None),
        Tile { note: silent, ..tile(("stale", "Stale"), stale, None, yes) },
        tile(("synced", "In sync"), tally.in_sync(), no, no),
        tile(("all", "Entries"), entries, None, None),
    ]
}
