//! What the JSON of the API looks like, for the description.
//!
//! None of these is ever made: requests are read by `http::wire`, answers are written by `render`.
//! Tests hold real answers against what stands here.
#![expect(dead_code, reason = "these types are only described")]

use utoipa::ToSchema;
use utoipa::openapi::schema::{
    ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};

/// An update of one (repo, server) pair.
#[derive(ToSchema)]
pub(in crate::http) struct Update {
    /// No control characters, no white space at either end.
    #[schema(min_length = 1, max_length = 255, example = "rsyslog")]
    repo: String,
    /// No control characters, no white space at either end.
    #[schema(min_length = 1, max_length = 255, example = "rsyslog-lab")]
    server: String,
    sync_status: SyncStatus,
    /// How many files have drifted; digits only.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 2)]
    drift_count: i32,
    /// Which files have drifted; at most 10,000.
    files: Vec<File>,
    /// When the reporter looked: RFC 3339 with a zone.
    #[schema(format = DateTime, example = "2026-04-21T10:32:15Z")]
    last_check: String,
    /// This reporter's own rhythm instead of the server's setting; 0 is never.
    #[schema(minimum = 0, maximum = 315_360_000)]
    stale_after_seconds: Option<i32>,
    /// Likewise for its time to live.
    #[schema(minimum = 0, maximum = 315_360_000)]
    ttl_seconds: Option<i32>,
    /// The commit that was checked: a string of at most 255 characters. Any other value is left
    /// out, with a warning, and the report is stored.
    #[schema(value_type = Option<serde_json::Value>)]
    revision: Option<String>,
    /// The run that made the check: an http or https URL of at most 2,048 characters. Any other
    /// value is left out, with a warning, and the report is stored.
    #[schema(value_type = Option<serde_json::Value>)]
    url: Option<String>,
}

/// Whether a server has what its repository says.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::http) enum SyncStatus {
    Synced,
    OutOfSync,
}

/// A file.
#[derive(ToSchema)]
pub(in crate::http) struct File {
    #[schema(min_length = 1, max_length = 4096, example = "rsyslog.conf")]
    name: String,
}

/// What was done.
#[derive(ToSchema)]
pub(in crate::http) struct Done {
    #[schema(example = "ok")]
    status: String,
    #[schema(example = "Status updated successfully")]
    message: String,
}

/// An update that was stored.
#[derive(ToSchema)]
pub(in crate::http) struct Updated {
    #[schema(example = "ok")]
    status: String,
    #[schema(example = "Status updated successfully")]
    message: String,
    /// Which fields were not stored, and why; only there if there are some.
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// Every error.
#[derive(ToSchema)]
pub(in crate::http) struct Failure {
    #[schema(example = "error")]
    status: String,
    /// Names the field or parameter, and says what is accepted.
    message: String,
}

/// An entry. With `flat=true` it also has `status_code` and `file_count`; with `fields` it has only those.
#[derive(ToSchema)]
pub(in crate::http) struct Entry {
    #[schema(required = false)]
    repo: String,
    #[schema(required = false)]
    server: String,
    #[schema(required = false)]
    sync_status: SyncStatus,
    /// Of flat rows: 0 synced, 1 out of sync.
    #[schema(required = false, minimum = 0, maximum = 1)]
    status_code: i32,
    #[schema(required = false, minimum = 0)]
    drift_count: i32,
    /// Of flat rows.
    #[schema(required = false, minimum = 0)]
    file_count: i32,
    /// Objects with a name; of flat rows the names, joined by a comma and a space.
    #[schema(required = false, schema_with = files)]
    files: (),
    #[schema(required = false, format = DateTime)]
    last_check: String,
    /// When the server received the update.
    #[schema(required = false, format = DateTime)]
    updated_at: String,
    /// When the present `sync_status` began.
    #[schema(required = false, format = DateTime)]
    status_since: String,
    /// Whether the reporter has fallen silent; of flat rows 0 or 1.
    #[schema(required = false, schema_with = stale)]
    stale: (),
    #[schema(required = false, format = DateTime)]
    expires_at: Option<String>,
    #[schema(required = false)]
    revision: Option<String>,
    #[schema(required = false)]
    url: Option<String>,
}

fn files() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let file = ObjectBuilder::new().property("name", text()).required("name");
    let files = ArrayBuilder::new().items(file);
    Schema::OneOf(OneOfBuilder::new().item(files).item(text()).build())
}

fn stale() -> Schema {
    let of_type = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    let either = OneOfBuilder::new().item(of_type(Type::Boolean)).item(of_type(Type::Integer));
    Schema::OneOf(either.build())
}

/// Counts over a selection. With `fields` it has only those.
#[derive(ToSchema)]
pub(in crate::http) struct Summary {
    #[schema(required = false)]
    entries: u64,
    #[schema(required = false)]
    synced: u64,
    #[schema(required = false)]
    out_of_sync: u64,
    #[schema(required = false)]
    drifted: u64,
    #[schema(required = false)]
    stale: u64,
    #[schema(required = false)]
    stale_drifted: u64,
    #[schema(required = false)]
    drift_count: u64,
    /// The oldest `status_since` of the drifted.
    #[schema(required = false, format = DateTime)]
    drifted_since: Option<String>,
}

/// Counts over the entries of a repository, or of a server.
#[derive(ToSchema)]
pub(in crate::http) struct Group {
    /// By repository.
    #[schema(required = false)]
    repo: String,
    /// By server.
    #[schema(required = false)]
    server: String,
    #[schema(required = false)]
    entries: u64,
    #[schema(required = false)]
    synced: u64,
    #[schema(required = false)]
    out_of_sync: u64,
    #[schema(required = false)]
    drifted: u64,
    #[schema(required = false)]
    stale: u64,
    #[schema(required = false)]
    drift_count: u64,
}

/// Where a file has drifted.
#[derive(ToSchema)]
pub(in crate::http) struct FileSpread {
    #[schema(required = false)]
    name: String,
    #[schema(required = false)]
    entries: u64,
    #[schema(required = false)]
    repos: u64,
    #[schema(required = false)]
    servers: u64,
    /// The oldest `status_since` of those entries.
    #[schema(required = false, format = DateTime)]
    since: String,
}

/// A page of the history.
#[derive(ToSchema)]
pub(in crate::http) struct HistoryPage {
    items: Vec<HistoryItem>,
    /// What `cursor` has to be for what follows; null if nothing does.
    #[schema(required = true)]
    next: Option<String>,
}

/// A change of an entry.
#[derive(ToSchema)]
pub(in crate::http) struct HistoryItem {
    #[schema(format = DateTime)]
    time: String,
    repo: String,
    server: String,
    event: Event,
    sync_status: SyncStatus,
    /// 0 synced, 1 out of sync.
    #[schema(minimum = 0, maximum = 1)]
    status_code: i32,
    #[schema(minimum = 0)]
    drift_count: i32,
    /// At most 100 names; with `flat=true` joined.
    #[schema(schema_with = files)]
    files_added: (),
    files_added_count: u64,
    /// Likewise.
    #[schema(schema_with = files)]
    files_removed: (),
    files_removed_count: u64,
    #[schema(required = true)]
    revision: Option<String>,
    #[schema(required = true)]
    url: Option<String>,
    #[schema(required = true)]
    by: Option<String>,
}

/// What happened to an entry.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(in crate::http) enum Event {
    First,
    Drifted,
    Synced,
    Changed,
    Stale,
    Fresh,
    Expired,
    Deleted,
}

/// A state and when it began.
#[derive(ToSchema)]
pub(in crate::http) struct Turn {
    #[schema(format = DateTime)]
    time: String,
    repo: String,
    server: String,
    /// 0 synced, 1 out of sync, 2 stale, null from the moment that the entry ended.
    #[schema(required = true, minimum = 0, maximum = 2)]
    status_code: Option<i32>,
}

/// How the server is.
#[derive(ToSchema)]
pub(in crate::http) struct Health {
    /// `healthy`, or `degraded` while updates cannot be stored or damage is known.
    status: String,
    #[schema(format = DateTime)]
    timestamp: String,
    /// The number of entries.
    tracked_repos: u64,
    /// What is wrong, if something is.
    #[schema(required = false)]
    message: String,
}

/// That it answers.
#[derive(ToSchema)]
pub(in crate::http) struct Probe {
    #[schema(example = "ok")]
    status: String,
}

/// This description.
#[derive(ToSchema)]
pub(in crate::http) struct Description {
    openapi: String,
}
