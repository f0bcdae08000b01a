//! The overview: totals, filters and the table of entries. For a screen on a wall, tiles instead.

use askama::Template;

use super::context::{PageContext, PageError};
use super::frame::Frame;
use super::moment::Moment;
use super::near::{Missing, Offer, offers};
use super::parameters::Parameters;
use super::row::Row;
use super::tiles::{self, SET_BY_TILES, Tile};
use super::wall::wall;
use crate::domain::{Column, Effort, LITERAL, Order, Selection, Snapshot, Sort, SyncStatus, Tally};

/// How the overview is laid out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum View {
    /// As a table with filters.
    Table,
    /// As large tiles without controls, for a screen on a wall.
    Wall,
}

/// A request for the overview.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct OverviewQuery {
    /// The entries, their order, and the part of them on this page.
    pub selection: Selection,
    /// The layout.
    pub view: View,
    /// The parameters of the request, from which links are made.
    pub parameters: Parameters,
    /// What could not be understood, each in a sentence.
    pub notices: Vec<String>,
}

/// The parameters that are not filters.
pub const OTHER_PARAMETERS: [&str; 4] = ["sort", "limit", "view", "offset"];
/// The parameters that stay when the filters change; `offset` does not.
const LASTING: [&str; 3] = ["sort", "limit", "view"];

/// How a click on a heading sorts: by which column, and whether the first click sorts the largest
/// first.
type Sorting = (Column, bool);

/// The headings after the first.
const HEADINGS: [(&str, Option<Sorting>); 8] = [
    ("Repo", Some((Column::Repo, false))),
    ("Server", Some((Column::Server, false))),
    ("Drift", Some((Column::DriftCount, true))),
    ("Files", None),
    ("In this state", Some((Column::StatusSince, false))),
    ("Last check", Some((Column::LastCheck, false))),
    ("Last report", Some((Column::UpdatedAt, false))),
    ("Run", None),
];

/// Renders the overview of a snapshot.
///
/// # Errors
/// See [`PageError`].
pub fn overview(
    snapshot: &Snapshot,
    asked: &OverviewQuery,
    context: &PageContext,
    effort: &mut Effort<'_>,
) -> Result<String, PageError> {
    let OverviewQuery { selection, view, parameters, notices } = asked;
    let (by_tiles, others) = tiles::split(&selection.filter);
    let in_any_state = Selection { filter: others, ..Selection::default() };
    let in_any_state = in_any_state.select(snapshot, effort)?;
    let all = in_any_state.narrowed(&by_tiles, effort)?;
    let tally_in_any_state = Tally::of(in_any_state.standings());
    let tally =
        if by_tiles.is_empty() { tally_in_any_state.clone() } else { Tally::of(all.standings()) };
    let filters = parameters.without(&OTHER_PARAMETERS);
    // The tiles follow the entries in every state.
    let frame = Frame::live(title(&tally), context, &filters.without(&SET_BY_TILES));
    if *view == View::Wall {
        return Ok(wall(frame, &all, &tally, parameters, notices, context.now)?);
    }
    let page = selection.arrange(&all);
    let rows: Vec<Row<'_>> = page.standings().map(|standing| Row::new(standing, context)).collect();
    let offers = if page.total == 0 { offers(snapshot, asked, effort)? } else { Vec::new() };
    let first_page = parameters.without(&["offset"]);
    let in_reach = filters.with(&[("sort", sort_of_lists(selection, parameters))]);
    let template = Overview {
        frame,
        notices,
        tiles: tiles::tiles(&tally_in_any_state, &selection.filter, &first_page),
        sentence: sentence(&tally),
        oldest: tally.drifted_since.and_then(|at| Moment::new(at, context.now)),
        form: Form::new(asked),
        headings: HEADINGS.map(|heading| Heading::new(heading, selection.order, &first_page)),
        worst_first: first_page.without(&["sort"]).link("./"),
        is_worst_first: selection.order == Order::WorstFirst,
        paging: Paging::new(selection, rows.len(), page.total, parameters),
        rows,
        offers,
        is_one_of_many_filters: filters.pairs().count() > 1,
        filters: filters.pairs().filter(|(name, _)| *name != LITERAL).collect(),
        is_empty_server: snapshot.listed() == 0,
        clear: (!filters.is_empty()).then(|| parameters.with_only(&LASTING).link("./")),
        json: in_reach.link("status.json"),
        csv: in_reach.link("status.csv"),
        wall: filters.with(&[("view", Some("wall"))]).link("./"),
        origin: &context.origin,
    };
    Ok(template.render()?)
}

/// Returns the `sort` that gives lists the order of the page; `None` if there is none.
fn sort_of_lists<'a>(selection: &Selection, parameters: &'a Parameters) -> Option<&'a str> {
    let Order::ByStateSince { descending } = selection.order else {
        return parameters.values("sort").next();
    };
    // For drifted entries the page sorts by another field than for the others.
    match (selection.filter.drifted?, descending) {
        (true, false) => Some("drifted_since"),
        (true, true) => Some("-drifted_since"),
        (false, false) => Some("status_since"),
        (false, true) => Some("-status_since"),
    }
}

fn title(tally: &Tally) -> String {
    match tally.drifted {
        0 => "GitOps status".to_owned(),
        drifted => format!("({drifted} drifted) GitOps status"),
    }
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame,
    notices: &'a [String],
    sentence: String,
    oldest: Option<Moment>,
    tiles: [Tile; 4],
    form: Form<'a>,
    headings: [Heading; 8],
    worst_first: String,
    is_worst_first: bool,
    paging: Paging,
    rows: Vec<Row<'a>>,
    /// What to show in place of nothing.
    offers: Vec<Offer<'a>>,
    is_one_of_many_filters: bool,
    filters: Vec<(&'a str, &'a str)>,
    is_empty_server: bool,
    clear: Option<String>,
    json: String,
    csv: String,
    wall: String,
    origin: &'a str,
}

/// Sums up a selection in one sentence; screen readers announce it when it changes.
fn sentence(tally: &Tally) -> String {
    let Tally { entries, drifted, stale, .. } = tally;
    let noun = if *entries == 1 { "entry" } else { "entries" };
    format!("{entries} {noun}: {drifted} drifted, {stale} stale.")
}

/// The filter form. Its fields are parameters of the query string.
struct Form<'a> {
    names: Vec<Field<'a>>,
    /// Whether names are taken as they are. Only a link turns that on; the form turns it off.
    is_literal: bool,
    sync_status: &'static str,
    drifted: &'static str,
    stale: &'static str,
    hidden: Vec<(&'a str, &'a str)>,
}

/// A text field of the form, with one input for each value.
struct Field<'a> {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    values: Vec<&'a str>,
}

impl<'a> Form<'a> {
    fn new(asked: &'a OverviewQuery) -> Self {
        let OverviewQuery { selection, view: _, parameters, notices: _ } = asked;
        let field = |name, label, hint| {
            let mut values: Vec<&str> = parameters.values(name).collect();
            if values.is_empty() {
                values.push("");
            }
            Field { name, label, hint, values }
        };
        let names = [
            field("repo", "Repo", "rsyslog,nginx*"),
            field("server", "Server", "web-*"),
            field("file", "File", "nginx.conf"),
            field("revision", "Commit", "4f2a91c*"),
            field("q", "Text", "part of any name"),
        ];
        // Only links filter by commit, so its field is shown when there is something in it.
        let is_shown = |field: &Field<'_>| field.name != "revision" || field.values != [""];
        let truth =
            |value: Option<bool>| value.map_or("", |yes| if yes { "true" } else { "false" });
        let filter = &selection.filter;
        Self {
            names: names.into_iter().filter(is_shown).collect(),
            is_literal: parameters.is_literal(),
            sync_status: filter.sync_status.map_or("", SyncStatus::as_str),
            drifted: truth(filter.drifted),
            stale: truth(filter.stale),
            hidden: parameters.pairs().filter(|(name, _)| LASTING.contains(name)).collect(),
        }
    }
}

/// The heading of a column, with the link that sorts by it.
struct Heading {
    label: &'static str,
    link: Option<String>,
    /// The value of `aria-sort`.
    sorted: &'static str,
}

impl Heading {
    fn new(
        (label, sorting): (&'static str, Option<Sorting>),
        order: Order,
        page: &Parameters,
    ) -> Self {
        let descending = match (order, sorting) {
            (Order::By(Sort { column: by, descending }), Some((column, _))) if by == column => {
                Some(descending)
            }
            (Order::ByStateSince { descending }, Some((Column::StatusSince, _))) => {
                Some(descending)
            }
            (Order::By(_) | Order::ByStateSince { .. } | Order::Natural | Order::WorstFirst, _) => {
                None
            }
        };
        let sorted = match descending {
            None => "none",
            Some(false) => "ascending",
            Some(true) => "descending",
        };
        let link = sorting.map(|(column, largest_first)| {
            let next = descending.map_or(largest_first, |descending| !descending);
            let sort = format!("{}{}", if next { "-" } else { "" }, column.name());
            page.with(&[("sort", Some(&sort))]).link("./")
        });
        Self { label, link, sorted }
    }
}

/// The part of the list that the page shows.
struct Paging {
    first: usize,
    last: usize,
    total: usize,
    previous: Option<String>,
    next: Option<String>,
    /// A link to the first page, if this one is beyond the end of the list.
    back: Option<String>,
}

impl Paging {
    fn new(selection: &Selection, shown: usize, total: usize, parameters: &Parameters) -> Self {
        let offset = selection.offset;
        let limit = selection.limit.unwrap_or(total);
        let at = |offset: usize| match offset {
            0 => parameters.without(&["offset"]).link("./"),
            offset => parameters.with(&[("offset", Some(&offset.to_string()))]).link("./"),
        };
        let last = offset.saturating_add(shown);
        Self {
            first: offset.saturating_add(1).min(last),
            last,
            total,
            previous: (offset > 0 && shown > 0).then(|| at(offset.saturating_sub(limit))),
            next: (shown > 0 && last < total).then(|| at(last)),
            back: (shown == 0 && total > 0).then(|| at(0)),
        }
    }
}
