//! Doors to the parsers of requests for the fuzz targets in `fuzz`, which run without a server.

use actix_web::ResponseError as _;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::bodies::Bodies;
use super::coding::Coding;
use super::error::ApiError;
use super::etag::{Strength, Tag};
use super::history;
use super::list::ListQuery;
use super::pages::overview;
use super::sent_names::SentNames;
use super::sites::Sites;
use super::warning::Warning;
use super::{body, credentials, malformed, query, routes, timeline, wire};
use crate::domain::{Filter, HistoryQuery, Report, Selection, TimelineQuery, Timestamp};
use crate::page::OverviewQuery;
use crate::render::{Format, Layout};

/// Why an input is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// Its message.
    pub message: String,
    /// What it says beside the message.
    pub detail: Option<String>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let detail = error.detail().map(Into::into);
        Self { status: error.status_code().as_u16(), message: error.message(), detail }
    }
}

/// Reads the body of an update; returns its warnings beside the report.
///
/// # Errors
/// A body that is not accepted.
pub fn report(body: &[u8]) -> Result<(Report, Vec<String>), Refusal> {
    let (report, warnings) = wire::parse_report(body)?;
    Ok((report, warnings.iter().map(Warning::to_string).collect()))
}

/// Returns what is wrong with a body as JSON, if it is not one object.
#[must_use]
pub fn fault(body: &[u8]) -> Option<String> {
    malformed::reason(body)
}

/// Returns the names in a body as the log shows them.
#[must_use]
pub fn sent_names(body: &[u8]) -> String {
    SentNames::in_body(body).to_string()
}

/// Takes a body in chunks, and inflates it if it is gzip.
///
/// # Errors
/// A body that is too large or not whole.
pub fn take_body<'a>(
    bodies: &Bodies,
    limit: usize,
    is_gzip: bool,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Refusal> {
    Ok(body::take(bodies, limit, is_gzip, chunks)?)
}

/// Splits a query string and decodes it.
///
/// # Errors
/// A query string that is not UTF-8.
pub fn parameters(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let sent = query::split(text)?;
    Ok(sent.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// Reads the query string of the list as JSON.
///
/// # Errors
/// A query string that is not accepted.
pub fn list(query: &str) -> Result<(Selection, Layout), Refusal> {
    let ListQuery { selection, layout, format: _ } = ListQuery::parse(query, Format::Json)?;
    Ok((selection, layout))
}

/// Reads the query string of the history.
///
/// # Errors
/// A query string that is not accepted.
pub fn history(query: &str, now: Timestamp) -> Result<(HistoryQuery, bool), Refusal> {
    Ok(history::parse(query, now)?)
}

/// Reads the query string of a timeline.
///
/// # Errors
/// A query string that is not accepted.
pub fn timeline(query: &str, now: Timestamp) -> Result<(Filter, TimelineQuery), Refusal> {
    Ok(timeline::parse(query, now)?)
}

/// Reads the query string of the overview, of which nothing is refused.
#[must_use]
pub fn overview(query: &str) -> OverviewQuery {
    overview::parse(query)
}

/// Checks a query string as the route of this place in the table does, counted round and round.
///
/// # Errors
/// A query string that is not accepted.
pub fn check(route: usize, query: &str, now: Timestamp) -> Result<(), Refusal> {
    Ok(routes::check_query(route, query, now)?)
}

/// Makes headers of those pairs that can be some.
fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Returns what may be a token in some headers.
pub fn credentials<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<String> {
    let headers = headers(pairs);
    credentials::credentials(&headers).map(Into::into).collect()
}

/// Checks for whom a browser has sent a `GET` or a `POST` with some headers.
///
/// # Errors
/// One that is for another site.
pub fn check_site<'a>(
    sites: &Sites,
    writes: bool,
    pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), Refusal> {
    let mut head = RequestHead::default();
    head.method = if writes { Method::POST } else { Method::GET };
    head.headers = headers(pairs);
    Ok(sites.check(&head)?)
}

/// Returns the coding of an answer to a client with this `Accept-Encoding`.
#[must_use]
pub fn coding(accepted: &[u8]) -> Option<&'static str> {
    Coding::negotiate(&headers([("accept-encoding", accepted)])).name()
}

/// Returns a tag, and whether a client with this `If-None-Match` has the answer of that tag.
#[must_use]
pub fn tag(is_weak: bool, known: impl FnOnce(&str) -> Vec<u8>) -> (String, bool) {
    let strength = if is_weak { Strength::Weak } else { Strength::Strong };
    let tag = Tag::new(7, &(), Coding::Gzip, strength);
    let known = known(tag.as_str());
    let is_known = tag.is_known_to(&headers([("if-none-match", known.as_slice())]));
    (tag.as_str().to_owned(), is_known)
}
