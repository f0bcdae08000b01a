//! The overview for a screen on a wall: large tiles without controls.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;

use super::frame::Frame;
use super::moment::Moment;
use super::parameters::Parameters;
use crate::domain::{Entry, LITERAL, Selected, Tally, Timestamp};

/// The repositories that fit on a screen.
const REPOS_SHOWN: usize = 48;

#[derive(Template)]
#[template(path = "wall.html")]
struct Wall<'a> {
    frame: Frame,
    notices: &'a [String],
    tally: &'a Tally,
    oldest: Option<Moment>,
    well: usize,
    repos: Vec<RepoTile<'a>>,
    /// The number of repositories that are not shown, and of those among them that are not in sync.
    hidden: usize,
    hidden_unwell: usize,
    table: String,
    /// The active filters, each with its value.
    filters: Vec<(&'a str, &'a str)>,
}

/// The entries of one repository, summed up.
struct RepoTile<'a> {
    name: &'a str,
    class: &'static str,
    tally: Tally,
    since: Option<Moment>,
    /// A link to its entries, unless other filters have patterns that keep them from being named.
    link: Option<String>,
}

/// Renders the selected entries as tiles, one for each repository.
pub(super) fn wall(
    frame: Frame,
    selected: &Selected<'_>,
    tally: &Tally,
    parameters: &Parameters,
    notices: &[String],
    now: Timestamp,
) -> askama::Result<String> {
    let mut groups = Tally::by_repo(selected);
    groups.sort_by_key(|(_, tally)| {
        let since = tally.drifted_since.unwrap_or(Timestamp::NEVER);
        (tally.drifted == 0, since, Reverse(tally.stale))
    });
    let hidden = groups.split_off(groups.len().min(REPOS_SHOWN));
    let is_unwell = |(_, tally): &&(&Arc<Entry>, Tally)| tally.drifted > 0 || tally.stale > 0;
    let table = parameters.without(&["view"]);
    let tiles = groups.into_iter().map(|(entry, tally)| {
        let name = entry.report.repo.as_str();
        RepoTile {
            name,
            class: class(&tally),
            since: tally.drifted_since.and_then(|at| Moment::new(at, now)),
            link: table.narrowed_to("repo", name).map(|narrowed| narrowed.link("./")),
            tally,
        }
    });
    let wall = Wall {
        frame,
        notices,
        tally,
        oldest: tally.drifted_since.and_then(|at| Moment::new(at, now)),
        well: tally.in_sync(),
        repos: tiles.collect(),
        hidden_unwell: hidden.iter().filter(is_unwell).count(),
        hidden: hidden.len(),
        filters: table.pairs().filter(|(name, _)| *name != LITERAL).collect(),
        table: table.link("./"),
    };
    wall.render()
}

fn class(tally: &Tally) -> &'static str {
    if tally.drifted > 0 {
        "drifted"
    } else if tally.stale > 0 {
        "stale"
    } else {
        "synced"
    }
}
