//! Query strings: every parameter in every spelling, and what is wrong with a wrong one.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::ApiError;
use crate::domain::{
    Column, Filter, Key, Names, RepoName, Selection, ServerName, Sort, SyncStatus, list_elements,
    means_all,
};
use crate::render::{Layout, Shape};

/// The largest `limit`.
const MAX_LIMIT: usize = 100_000;

/// The most patterns of a name filter, and the most texts of `q`: every entry, and every file that
/// it lists, is held against each, so thousands would keep a core busy for minutes.
const MAX_PATTERNS: usize = 100;

/// What a list is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ListQuery {
    pub(super) selection: Selection,
    pub(super) layout: Layout,
}

/// The parameters of a list, as they were sent.
#[derive(Default)]
struct Sent<'a> {
    repo: Vec<Cow<'a, str>>,
    server: Vec<Cow<'a, str>>,
    file: Vec<Cow<'a, str>>,
    sync_status: Vec<Cow<'a, str>>,
    drifted: Vec<Cow<'a, str>>,
    stale: Vec<Cow<'a, str>>,
    q: Vec<Cow<'a, str>>,
    flat: Vec<Cow<'a, str>>,
    fields: Vec<Cow<'a, str>>,
    sort: Vec<Cow<'a, str>>,
    limit: Vec<Cow<'a, str>>,
    offset: Vec<Cow<'a, str>>,
}

/// What a message lists when a parameter is not known.
const LIST_PARAMETERS: &str = "repo, server, file, sync_status, drifted, stale, q, flat, fields, \
                               sort, limit and offset";

impl ListQuery {
    /// Reads the query string of a list whose rows have this shape unless it says otherwise.
    ///
    /// # Errors
    /// 400 with the parameter's name and what it takes.
    pub(super) fn parse(query: &str, shape: Shape) -> Result<Self, ApiError> {
        let mut sent = Sent::default();
        for (name, value) in pairs(query)? {
            match name.as_ref() {
                "repo" | "var-repo" => sent.repo.push(value),
                "server" | "var-server" => sent.server.push(value),
                "file" => sent.file.push(value),
                "sync_status" => sent.sync_status.push(value),
                "drifted" => sent.drifted.push(value),
                "stale" => sent.stale.push(value),
                "q" => sent.q.push(value),
                "flat" => sent.flat.push(value),
                "fields" => sent.fields.push(value),
                "sort" => sent.sort.push(value),
                "limit" => sent.limit.push(value),
                "offset" => sent.offset.push(value),
                unknown => return Err(unknown_parameter(unknown, LIST_PARAMETERS)),
            }
        }
        sent.read(shape)
    }
}

impl Sent<'_> {
    fn read(self, shape: Shape) -> Result<ListQuery, ApiError> {
        let Self {
            repo,
            server,
            file,
            sync_status,
            drifted,
            stale,
            q,
            flat,
            fields,
            sort,
            limit,
            offset,
        } = self;
        let filter = Filter {
            repo: names("repo", &repo)?,
            server: names("server", &server)?,
            file: names("file", &file)?,
            sync_status: choice("sync_status", "SYNCED or OUT_OF_SYNC", &sync_status, status)?,
            drifted: choice("drifted", TRUTHS, &drifted, truth)?,
            stale: choice("stale", TRUTHS, &stale, truth)?,
            text: texts("q", &q)?,
        };
        let is_flat = single("flat", &flat)?.map(|word| truth(word).ok_or(word)).transpose();
        let shape = match is_flat.map_err(|_| must_be("flat", TRUTHS))? {
            Some(true) => Shape::Flat,
            Some(false) | None => shape,
        };
        let selection = Selection {
            filter,
            sort: single("sort", &sort)?.map(|column| sort_by(column, shape)).transpose()?,
            limit: single("limit", &limit)?.map(parse_limit).transpose()?,
            offset: single("offset", &offset)?.map(parse_offset).transpose()?.unwrap_or(0),
        };
        Ok(ListQuery { selection, layout: Layout { shape, only: columns(&fields, shape)? } })
    }
}

/// Reads the query string of a removal: `repo` and `server`, once each and literally.
///
/// # Errors
/// 400 with the parameter's name and what it takes.
pub(super) fn parse_key(query: &str) -> Result<Key, ApiError> {
    let (mut repo, mut server) = (Vec::new(), Vec::new());
    for (name, value) in pairs(query)? {
        match name.as_ref() {
            "repo" => repo.push(value),
            "server" => server.push(value),
            unknown => return Err(unknown_parameter(unknown, "repo and server")),
        }
    }
    let needed = |name| move || must_be(name, "given: which entry is to be removed");
    let repo = single("repo", &repo)?.ok_or_else(needed("repo"))?;
    let server = single("server", &server)?.ok_or_else(needed("server"))?;
    Ok(Key { repo: RepoName::parse(repo)?, server: ServerName::parse(server)? })
}

const TRUTHS: &str = "true or false (or 1 or 0)";

/// A parameter's name and its value, decoded.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Splits a query string and decodes it, without the parameter that only defeats caches.
fn pairs(query: &str) -> Result<Vec<Pair<'_>>, ApiError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    });
    let pairs: Vec<Pair<'_>> = pairs.collect::<Result<_, ApiError>>()?;
    Ok(pairs.into_iter().filter(|(name, _)| name != "_").collect())
}

fn decode(part: &str) -> Result<Cow<'_, str>, ApiError> {
    let not_utf8 = |_| ApiError::BadQuery("The query string must be UTF-8, %-encoded".to_owned());
    if part.contains('+') {
        let spaced = part.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(not_utf8)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(part).decode_utf8().map_err(not_utf8)
}

fn unknown_parameter(name: &str, known: &str) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    ApiError::BadQuery(format!("Unknown parameter {shown:?}; known are {known}"))
}

fn must_be(name: &str, accepted: &str) -> ApiError {
    ApiError::BadQuery(format!("{name} must be {accepted}"))
}

/// Returns the value of a parameter that may be given once.
fn single<'a>(name: &str, values: &'a [Cow<'a, str>]) -> Result<Option<&'a str>, ApiError> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        [_, _, ..] => Err(must_be(name, "given only once")),
    }
}

/// Reads a filter on a name.
fn names(name: &str, values: &[Cow<'_, str>]) -> Result<Names, ApiError> {
    let elements = values.iter().flat_map(|value| list_elements(value));
    if elements.filter(|element| element.contains('*')).count() > MAX_PATTERNS {
        let accepted = format!("a list with at most {MAX_PATTERNS} patterns in it");
        return Err(must_be(name, &accepted));
    }
    Ok(Names::parse(values.iter().map(AsRef::as_ref)))
}

/// Reads texts to be looked for.
fn texts(name: &str, values: &[Cow<'_, str>]) -> Result<Vec<String>, ApiError> {
    let texts = values.iter().filter(|text| !text.is_empty()).map(|text| Filter::fold(text));
    let texts: Vec<String> = texts.collect();
    if texts.len() > MAX_PATTERNS {
        return Err(must_be(name, &format!("given at most {MAX_PATTERNS} times")));
    }
    Ok(texts)
}

/// Reads a filter on a fact with two values: a list of words, of which both together, none, or a
/// spelling of "all" filter nothing.
fn choice<T: Copy + PartialEq>(
    name: &str,
    accepted: &str,
    values: &[Cow<'_, str>],
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let mut chosen: Option<T> = None;
    let mut filters = true;
    for word in values.iter().flat_map(|value| list_elements(value)) {
        if means_all(word) {
            filters = false;
            continue;
        }
        let value = read(word).ok_or_else(|| must_be(name, accepted))?;
        filters &= chosen.is_none_or(|chosen| chosen == value);
        chosen = Some(value);
    }
    Ok(chosen.filter(|_| filters))
}

fn status(word: &str) -> Option<SyncStatus> {
    SyncStatus::parse(&word.to_ascii_uppercase())
}

fn truth(word: &str) -> Option<bool> {
    match word {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn parse_limit(text: &str) -> Result<usize, ApiError> {
    let limit = number(text).filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| must_be("limit", "a whole number from 1 to 100000"))
}

fn parse_offset(text: &str) -> Result<usize, ApiError> {
    number(text).ok_or_else(|| must_be("offset", "a whole number from 0"))
}

fn sort_by(text: &str, shape: Shape) -> Result<Sort, ApiError> {
    let (descending, name) = match text.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, text),
    };
    let sortable = || shape.columns().iter().filter(|column| shape.can_sort_by(**column));
    let column = sortable().find(|column| column.name() == name).copied();
    let column = column.ok_or_else(|| {
        let known = list_of(sortable().copied());
        must_be("sort", &format!("one of {known}, with - in front for descending"))
    })?;
    Ok(Sort { column, descending })
}

fn columns(values: &[Cow<'_, str>], shape: Shape) -> Result<Option<Vec<Column>>, ApiError> {
    let mut chosen: Vec<Column> = Vec::new();
    for name in values.iter().flat_map(|value| list_elements(value)) {
        let column = shape.columns().iter().find(|column| column.name() == name).copied();
        match column {
            Some(column) if !chosen.contains(&column) => chosen.push(column),
            Some(_) => return Err(must_be("fields", "a list without repetition")),
            None => {
                let known = list_of(shape.columns().iter().copied());
                return Err(must_be("fields", &format!("a comma list of {known}")));
            }
        }
    }
    Ok(Some(chosen).filter(|chosen| !chosen.is_empty()))
}

fn list_of(columns: impl Iterator<Item = Column>) -> String {
    columns.map(Column::name).collect::<Vec<_>>().join(", ")
}
