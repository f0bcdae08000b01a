//! The parameters of the API, for the description.
//!
//! None of these is ever made: query strings are read by `http::query`.
#![expect(dead_code, reason = "these types are only described")]

use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// The filters, which every path that lists or counts entries takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// One of these names. Repeated, a comma list, or `{a,b}`; `*` stands for any run of characters. `var-repo` is the same.
    #[param(required = false)]
    repo: Vec<String>,
    /// Likewise; `var-server` is the same.
    #[param(required = false)]
    server: Vec<String>,
    /// Entries that list a file with one of these names.
    #[param(required = false)]
    file: Vec<String>,
    /// `SYNCED` or `OUT_OF_SYNC`, in any case.
    #[param(required = false, example = "OUT_OF_SYNC")]
    sync_status: String,
    /// `true`: the drifted; `false`: the others; nothing, or both in a list: all.
    #[param(required = false, example = "true")]
    drifted: String,
    /// Likewise of the stale.
    #[param(required = false, example = "false")]
    stale: String,
    /// Entries whose repo, server or a file name contains this text, whatever its case.
    #[param(required = false)]
    q: Vec<String>,
}

/// What shapes the overview, beside the filters. Whatever is sent, the answer is a page, which says
/// what it could not understand.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Overview {
    /// A field to sort by, with `-` in front for descending; the worst come first without it.
    #[param(required = false, example = "-drift_count")]
    sort: String,
    /// How many rows at most, up to 1000; 100 without it.
    #[param(required = false)]
    limit: String,
    /// How many rows to leave out first.
    #[param(required = false)]
    offset: String,
    /// `wall`: large tiles without controls.
    #[param(required = false)]
    view: String,
}

/// Which file is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct File {
    /// Its name, literally.
    #[param(min_length = 1)]
    name: String,
}

/// Where the history on a page goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Cursor {
    /// What the link to older changes has.
    #[param(required = false, pattern = "^-?[0-9]+\\.-?[0-9]+$")]
    cursor: String,
}

/// Where a stream of changes goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Resumption {
    /// The last id that was heard; the header `Last-Event-ID` goes before it.
    #[param(required = false)]
    last_event_id: String,
}

/// What shapes a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Listing {
    /// Rows of one level.
    #[param(required = false)]
    flat: bool,
    /// A field to sort by, with `-` in front for descending.
    #[param(required = false, example = "-drift_count")]
    sort: String,
}

/// Which columns there are.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Columns {
    /// A comma list: only these fields, in this order.
    #[param(required = false, example = "entries")]
    fields: String,
}

/// A page of rows.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Paging {
    /// How many rows at most.
    #[param(required = false, minimum = 1, maximum = 100_000)]
    limit: i32,
    /// How many to leave out first.
    #[param(required = false, schema_with = count)]
    offset: (),
}

fn count() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(0)).build()
}

/// A span of time.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Span {
    /// From this moment on: RFC 3339, or seconds or milliseconds since 1970.
    #[param(required = false, example = "2026-04-21T10:32:15Z")]
    from: String,
    /// Before this moment.
    #[param(required = false, example = "1776767535000")]
    to: String,
}

/// What shapes the history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Past {
    /// A comma list of events.
    #[param(required = false, example = "drifted,synced")]
    event: String,
    /// How many items at most; 100 without it.
    #[param(required = false, minimum = 1, maximum = 10_000)]
    limit: i32,
    /// What `next` was.
    #[param(required = false)]
    cursor: String,
    /// Names of files joined to one text.
    #[param(required = false)]
    flat: bool,
}

/// How long a timeline may be.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Length {
    /// How many rows at most; 20,000 without it.
    #[param(required = false, minimum = 1, maximum = 100_000)]
    limit: i32,
}

/// The one entry that is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Pair {
    /// Its repository, literally.
    #[param(min_length = 1, max_length = 255)]
    repo: String,
    /// Its server, literally.
    #[param(min_length = 1, max_length = 255)]
    server: String,
}

/// What stands on a badge.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Label {
    /// The text on the left; `gitops` without it.
    #[param(required = false, min_length = 1, max_length = 64)]
    label: String,
}
