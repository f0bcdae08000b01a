//! The overview: `GET /`.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::html::{MEDIA_TYPE, context, guarded, unwritable};
use crate::domain::{Column, Effort, LITERAL, Order, Selection, Snapshot, Sort};
use crate::http::caching::Caching;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::etag::Strength;
use crate::http::filters::{self, with_plain_names};
use crate::http::query::{Parameter, QueryString, must_be, split, unknown_parameter};
use crate::http::representation::{Rendered, Representation, Weight};
use crate::http::sending::Rendering;
use crate::http::services::Services;
use crate::page::{self, OTHER_PARAMETERS, OverviewQuery, PageContext, Parameters, View};
use crate::render::{RenderError, Shape};

/// How many entries the page shows without `limit`.
const USUAL_LIMIT: usize = 100;
/// The largest `limit`: a browser lays out every row.
const MAX_LIMIT: usize = 1000;

/// `GET /`
pub(in crate::http) async fn overview(
    caller: Caller,
    request: HttpRequest,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let query = parse(request.query_string());
    let overview = Representation {
        media_type: MEDIA_TYPE,
        // A page that a browser kept would show old ages.
        caching: Caching::Never,
        // A script in the page keeps the ages up to date.
        strength: Strength::Weak,
        query: Overview { query, context: context(&request, &services, caller.token()) },
        weight: Overview::weight,
        body: Overview::body,
    };
    overview.answer(&request, &services).await.map(guarded)
}

struct Overview {
    query: OverviewQuery,
    context: PageContext,
}

/// Leaves out the time, on which only ages depend.
impl Hash for Overview {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { query, context: PageContext { now: _, origin, commits, account } } = self;
        (query, origin, commits, account).hash(state);
    }
}

impl Overview {
    fn weight(&self, snapshot: &Snapshot) -> Weight {
        let selection = &self.query.selection;
        // Rendering a row takes as long as looking at ten entries.
        let rows = selection.limit.unwrap_or(Weight::QUICK_ENTRIES);
        let counted = if may_look_further(selection, snapshot) {
            Weight::of_counting(&Selection::default(), snapshot)
        } else {
            Weight::of_counting(selection, snapshot)
        };
        match counted {
            Weight::Quick if 10 * rows < Weight::QUICK_ENTRIES => Weight::Quick,
            Weight::Quick | Weight::Short => Weight::Short,
            Weight::Long => Weight::Long,
        }
    }

    fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        effort: &mut Effort<'_>,
    ) -> Result<Rendered, RenderError> {
        let text =
            page::overview(snapshot, &self.query, &self.context, effort).map_err(unwritable)?;
        Ok(Rendered { rendering: Rendering::Small(text.into()), total: None })
    }
}

/// Whether the page may have to look beyond the repositories that a filter names: if no entry
/// matches, for names that contain the ones asked for.
fn may_look_further(selection: &Selection, snapshot: &Snapshot) -> bool {
    let filter = &selection.filter;
    !filter.looks_at_files()
        && filter.repo.exact().is_some()
        && (!filter.is_by_repo_only() || selection.cost(snapshot) == 0)
}

/// Reads filters, `sort`, `limit`, `offset` and `view`. People mistype, so a wrong parameter is left
/// out and noted on the page, where the API answers with an error.
pub(in crate::http) fn parse(query: &str) -> OverviewQuery {
    let mut notices = Vec::new();
    let sent = split(query).unwrap_or_else(|error| {
        notices.push(format!("{}. Nothing is filtered.", error.message()));
        Vec::new()
    });
    let known = [&filters::PARAMETERS[..], &OTHER_PARAMETERS].concat();
    let mut understood: Vec<Parameter<'_>> = Vec::new();
    let mut groups = by_name(trimmed(with_plain_names(sent)));
    // How names are read depends on this parameter, so it is the first to be understood.
    groups.sort_by_key(|(name, _)| name != LITERAL);
    for (name, values) in groups {
        if !known.contains(&name.as_str()) {
            let error = unknown_parameter(&name, &known);
            notices.push(format!("{}. It is ignored.", error.message()));
            continue;
        }
        let literal = understood.iter().filter(|(understood, _)| understood == LITERAL);
        let alone = literal.chain(&values).cloned().collect();
        match selection(&QueryString::of_known(alone)) {
            Ok(_) => understood.extend(values),
            Err(error) => notices.push(format!("{}. It is ignored.", error.message())),
        }
    }
    let parameters =
        Parameters::new(understood.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    // Each parameter was read before, and depends on no other but that one, so this does not fail.
    let read = selection(&QueryString::of_known(understood));
    let (selection, view) = read.unwrap_or_else(|error| {
        notices.push(format!("{}. Nothing is filtered.", error.message()));
        (Selection::default(), View::Table)
    });
    OverviewQuery { selection, view, parameters, notices }
}

/// Leaves out white space around names and texts, which pasted ones have, also in lists. No repo and
/// no server has any; the name of a file may.
fn trimmed(mut sent: Vec<Parameter<'_>>) -> Vec<Parameter<'_>> {
    let literal = sent.iter().filter(|(name, value)| name == LITERAL && !value.is_empty());
    // If it is wrong it is ignored, and names are lists.
    let literal = QueryString::of_known(literal.cloned().collect()).boolean(LITERAL);
    let is_literal = literal.is_ok_and(|literal| literal == Some(true));
    for (name, value) in &mut sent {
        let kept = match name.as_ref() {
            "repo" | "server" if !is_literal => {
                value.split(',').map(str::trim).collect::<Vec<_>>().join(",")
            }
            "repo" | "server" | "q" => value.trim().to_owned(),
            _ => continue,
        };
        if kept != *value {
            *value = Cow::Owned(kept);
        }
    }
    sent
}

/// Groups parameters by name, in the order in which each name was sent first. Leaves out empty
/// values, which a form sends for fields that were not filled in.
fn by_name(sent: Vec<Parameter<'_>>) -> Vec<(String, Vec<Parameter<'_>>)> {
    let mut groups: Vec<(String, Vec<Parameter<'_>>)> = Vec::new();
    for parameter in sent.into_iter().filter(|(_, value)| !value.is_empty()) {
        match groups.iter_mut().find(|(name, _)| *name == parameter.0) {
            Some((_, values)) => values.push(parameter),
            None => groups.push((parameter.0.to_string(), vec![parameter])),
        }
    }
    groups
}

fn selection(sent: &QueryString<'_>) -> Result<(Selection, View), ApiError> {
    let order = match sent.sort(Shape::Nested)? {
        None => Order::WorstFirst,
        // In the page's column that sorts by this, the time of a drifted entry is that of its drift.
        Some(Sort { column: Column::StatusSince, descending }) => {
            Order::ByStateSince { descending }
        }
        Some(sort) => Order::By(sort),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_a_pasted_list_does_not_matter_if_literal_is_ignored_as_wrong() {
        for (literal, repos) in
            [("all&literal=1", "a,b"), ("maybe", "a,b"), ("&literal=1", "a , b")]
        {
            let query = parse(&format!("repo= a , b&literal={literal}"));
            assert_eq!(query.parameters.values("repo").collect::<Vec<_>>(), [repos], "{literal}");
        }
    }
}
