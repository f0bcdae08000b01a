//! The parameters of pages. People mistype: what the overview cannot understand is said on the
//! page, where an answer of the API would be an error.

use super::list::sort_by;
use super::{Pair, QueryString, filter, must_be, split, unknown_parameter, with_plain_names};
use crate::domain::{Cursor, FileName, Key, MAX_FILE_NAME, Order, Selection};
use crate::http::error::ApiError;
use crate::page::{OTHER_PARAMETERS, OverviewQuery, Parameters, View};
use crate::render::Shape;

/// How many entries a page shows if nothing is said.
const USUAL_LIMIT: usize = 100;
/// How many entries a page shows at the most: a browser has to lay them all out.
const MAX_LIMIT: usize = 1000;

/// Reads what the overview is asked for. What is wrong is left out and noted.
pub(in crate::http) fn overview_request(query: &str) -> OverviewQuery {
    let mut notices = Vec::new();
    let sent = split(query).unwrap_or_else(|error| {
        notices.push(format!("{error}. Nothing is filtered."));
        Vec::new()
    });
    let known = [&filter::PARAMETERS[..], &OTHER_PARAMETERS].concat();
    let mut understood: Vec<Pair<'_>> = Vec::new();
    for (name, values) in by_name(with_plain_names(sent)) {
        if !known.contains(&name.as_str()) {
            notices.push(format!("{}. It is ignored.", unknown_parameter(&name, &known)));
            continue;
        }
        match selection(&QueryString(values.clone())) {
            Ok(_) => understood.extend(values),
            Err(error) => notices.push(format!("{error}. It is ignored.")),
        }
    }
    let parameters =
        Parameters::new(understood.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    // Each was understood by itself, and none depends on another.
    let (selection, view) = selection(&QueryString(understood)).unwrap_or_else(|error| {
        notices.push(format!("{error}. Nothing is filtered."));
        (Selection::default(), View::Table)
    });
    OverviewQuery { selection, view, parameters, notices }
}

/// Groups parameters by their names, in the order in which each was sent first. What is empty was
/// left so in the form, and says nothing.
fn by_name(sent: Vec<Pair<'_>>) -> Vec<(String, Vec<Pair<'_>>)> {
    let mut groups: Vec<(String, Vec<Pair<'_>>)> = Vec::new();
    for pair in sent.into_iter().filter(|(_, value)| !value.is_empty()) {
        match groups.iter_mut().find(|(name, _)| *name == pair.0) {
            Some((_, values)) => values.push(pair),
            None => groups.push((pair.0.to_string(), vec![pair])),
        }
    }
    groups
}

fn selection(sent: &QueryString<'_>) -> Result<(Selection, View), ApiError> {
    let order = match sent.single("sort")? {
        Some(column) => Order::By(sort_by(column, Shape::Nested)?),
        None => Order::WorstFirst,
    };
    let view = match sent.single("view")? {
        None => View::Table,
        Some("wall") => View::Wall,
        Some(_) => return Err(must_be("view", "wall, or not given")),
    };
    let selection = Selection {
        filter: sent.filter()?,
        order,
        limit: Some(sent.limit(1..=MAX_LIMIT)?.unwrap_or(USUAL_LIMIT)),
        offset: sent.offset()?,
    };
    Ok((selection, view))
}

/// Reads which entry a page is about, and after which place of its history it goes on.
///
/// # Errors
/// 400 with the parameter's name and what it takes.
pub(in crate::http) fn entry_request(query: &str) -> Result<(Key, Option<Cursor>), ApiError> {
    let sent = QueryString::without_filters(query, &["repo", "server", "cursor"])?;
    let key = sent.key("given: which entry is meant")?;
    let after = sent
        .single("cursor")?
        .map(|text| Cursor::parse(text).ok_or_else(|| must_be("cursor", "what a link to it had")));
    Ok((key, after.transpose()?))
}

/// Reads which file a page is about.
///
/// # Errors
/// 400 with the parameter's name and what it takes.
pub(in crate::http) fn file_name(query: &str) -> Result<FileName, ApiError> {
    let sent = QueryString::without_filters(query, &["name"])?;
    let name = sent.single("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| must_be("name", "given: which file is meant"))?;
    let accepted =
        || format!("a string of 1 to {MAX_FILE_NAME} characters without control characters");
    FileName::parse(name).map_err(|_| must_be("name", &accepted()))
}
