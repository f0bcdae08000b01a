//! Query strings: every spelling of a parameter, and the error for a wrong one.
//!
//! [`QueryString`] reads the parameters that several endpoints take. Each endpoint reads its own in
//! its own file.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::error::ApiError;
use crate::domain::{Column, Key, RepoName, ServerName, Sort, boolean, list_elements};
use crate::render::Shape;

/// The largest `limit` of an answer from the published snapshot.
pub(super) const MAX_LIMIT: usize = 100_000;

/// What a boolean parameter must be.
pub(super) const BOOLEANS: &str = "true or false (or 1 or 0)";

/// The decoded parameters of a query string, in the order they were sent. All of them are known.
pub(super) struct QueryString<'a>(Vec<Parameter<'a>>);

/// A name and a value.
pub(super) type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> QueryString<'a> {
    /// Reads the query string of an endpoint that takes the parameters in `known`.
    ///
    /// # Errors
    /// 400 for any other parameter, and for text that is not UTF-8.
    pub(super) fn parse(query: &'a str, known: &[&str]) -> Result<Self, ApiError> {
        Self::checked(split(query)?, known)
    }

    /// Takes parameters, all of which must be in `known`.
    ///
    /// # Errors
    /// 400 that lists `known`.
    pub(super) fn checked(sent: Vec<Parameter<'a>>, known: &[&str]) -> Result<Self, ApiError> {
        match sent.iter().find(|(name, _)| !known.contains(&name.as_ref())) {
            Some((unknown, _)) => Err(unknown_parameter(unknown, known)),
            None => Ok(Self(sent)),
        }
    }

    /// Takes parameters that are known already.
    pub(super) fn of_known(sent: Vec<Parameter<'a>>) -> Self {
        Self(sent)
    }

    /// Returns every value of a parameter.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().filter(move |(sent, _)| sent == name).map(|(_, value)| value.as_ref())
    }

    /// Returns the elements of all values of a parameter that takes lists.
    pub(super) fn elements(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        self.values(name).flat_map(list_elements)
    }

    /// Returns the value of a parameter that may be given only once.
    ///
    /// # Errors
    /// 400 if it is given twice.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(must_be(name, "given only once")),
        }
    }

    /// Reads a boolean parameter.
    ///
    /// # Errors
    /// 400 with the parameter's name and the accepted values, as for all of the following.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let read = |word| boolean(word).ok_or_else(|| must_be(name, BOOLEANS));
        self.single(name)?.map(read).transpose()
    }

    /// Reads `limit`.
    pub(super) fn limit(&self, range: RangeInclusive<usize>) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.single("limit")? else { return Ok(None) };
        let limit = number(text).filter(|limit| range.contains(limit));
        let accepted = || format!("a whole number from {} to {}", range.start(), range.end());
        limit.map(Some).ok_or_else(|| must_be("limit", &accepted()))
    }

    /// Reads `offset`.
    pub(super) fn offset(&self) -> Result<usize, ApiError> {
        let Some(text) = self.single("offset")? else { return Ok(0) };
        number(text).ok_or_else(|| must_be("offset", "a whole number from 0"))
    }

    /// Reads `fields`, a list of some of `columns`; `None` means all.
    pub(super) fn fields<T: Copy + PartialEq>(
        &self,
        columns: impl Iterator<Item = (&'static str, T)> + Clone,
    ) -> Result<Option<Vec<T>>, ApiError> {
        let mut chosen: Vec<T> = Vec::new();
        for asked in self.elements("fields") {
            match columns.clone().find(|(name, _)| *name == asked) {
                Some((_, column)) if !chosen.contains(&column) => chosen.push(column),
                Some(_) => return Err(must_be("fields", "a list without repetition")),
                None => {
                    let known: Vec<&str> = columns.map(|(name, _)| name).collect();
                    let accepted = format!("a comma list of {}", known.join(", "));
                    return Err(must_be("fields", &accepted));
                }
            }
        }
        Ok(Some(chosen).filter(|chosen| !chosen.is_empty()))
    }

    /// Reads `sort`, one of the columns that rows of this shape can be sorted by.
    pub(super) fn sort(&self, shape: Shape) -> Result<Option<Sort>, ApiError> {
        let Some(text) = self.single("sort")? else { return Ok(None) };
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let columns = shape.columns().iter().copied();
        let sortable = columns.filter(|column| shape.can_sort_by(*column));
        let column = sortable.clone().find(|column| column.name() == name).ok_or_else(|| {
            let known = sortable.map(Column::name).collect::<Vec<_>>().join(", ");
            must_be("sort", &format!("one of {known}, with - in front for descending"))
        })?;
        Ok(Some(Sort { column, descending }))
    }

    /// Reads `repo` and `server`, which name one entry literally. `needed` completes the message
    /// for a missing one.
    pub(super) fn key(&self, needed: &str) -> Result<Key, ApiError> {
        let missing = |name| move || must_be(name, needed);
        let repo = self.single("repo")?.ok_or_else(missing("repo"))?;
        let server = self.single("server")?.ok_or_else(missing("server"))?;
        Ok(Key { repo: RepoName::parse(repo)?, server: ServerName::parse(server)? })
    }
}

/// Splits and decodes a query string. Leaves out `_`, which scripts send to defeat caches.
pub(super) fn split(query: &str) -> Result<Vec<Parameter<'_>>, ApiError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    });
    let pairs: Vec<Parameter<'_>> = pairs.collect::<Result<_, ApiError>>()?;
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

/// Returns the error for a parameter that is not among the known ones.
pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    let known = match known {
        [all_but_last @ .., last] if !all_but_last.is_empty() => {
            format!("{} and {last}", all_but_last.join(", "))
        }
        few => few.join(", "),
    };
    ApiError::BadQuery(format!("Unknown parameter {shown:?}; known are {known}"))
}

/// Returns the error for a wrong value; `accepted` says what a right one is.
pub(super) fn must_be(name: &str, accepted: &str) -> ApiError {
    ApiError::BadQuery(format!("{name} must be {accepted}"))
}

fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
