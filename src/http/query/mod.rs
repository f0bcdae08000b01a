//! Query strings: every parameter in every spelling, and what is wrong with a wrong one.
//!
//! [`QueryString`] holds what was sent, and reads what several paths take. What one path makes of it
//! stands in a file of its own.

mod badge;
mod events;
mod figures;
mod filter;
mod history;
mod key;
mod list;
mod pages;
mod timeline;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::error::ApiError;
use crate::domain::{ReportedTime, TimeRange, Timestamp, list_elements};

pub(super) use badge::BadgeQuery;
pub(super) use events::EventsQuery;
pub(super) use figures::FiguresQuery;
pub(super) use history::HistoryRequest;
pub(super) use key::parse_key;
pub(super) use list::ListQuery;
pub(super) use pages::{entry_request, file_name, overview_request};
pub(super) use timeline::TimelineRequest;

/// Other spellings of parameters, where filters are taken: Grafana's links have them.
const ALIASES: [(&str, &str); 2] = [("var-repo", "repo"), ("var-server", "server")];

/// The largest `limit` of what comes from the published state.
const MAX_LIMIT: usize = 100_000;

/// What a boolean parameter takes.
const TRUTHS: &str = "true or false (or 1 or 0)";

/// What a parameter takes that is a moment.
const MOMENTS: &str = "a time such as 2026-04-21T10:32:15Z, or a number of seconds or milliseconds \
                       since 1970";

/// The parameters of a query string, all of them known, decoded, in the order they were sent.
struct QueryString<'a>(Vec<Pair<'a>>);

/// A parameter's name and its value.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> QueryString<'a> {
    /// Splits the query string of a path that takes filters and these other parameters.
    ///
    /// # Errors
    /// 400 that lists the known parameters if there is another, or if it is not UTF-8.
    fn with_filters(query: &'a str, others: &[&str]) -> Result<Self, ApiError> {
        Self::of_known(with_plain_names(split(query)?), &[&filter::PARAMETERS, others].concat())
    }

    /// Splits the query string of a path that takes these parameters and no others.
    ///
    /// # Errors
    /// As above.
    fn without_filters(query: &'a str, known: &[&str]) -> Result<Self, ApiError> {
        Self::of_known(split(query)?, known)
    }

    fn of_known(sent: Vec<Pair<'a>>, known: &[&str]) -> Result<Self, ApiError> {
        match sent.iter().find(|(name, _)| !known.contains(&name.as_ref())) {
            Some((unknown, _)) => Err(unknown_parameter(unknown, known)),
            None => Ok(Self(sent)),
        }
    }

    /// Returns every value of a parameter, as it was sent.
    fn values(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().filter(move |(sent, _)| sent == name).map(|(_, value)| value.as_ref())
    }

    /// Returns every element of the lists that a parameter's values are.
    fn elements(&self, name: &str) -> impl Iterator<Item = &str> + Clone {
        self.values(name).flat_map(list_elements)
    }

    /// Returns the value of a parameter that may be given once.
    fn single(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(must_be(name, "given only once")),
        }
    }

    /// Reads a boolean.
    fn truth(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let read = |word| truth(word).ok_or_else(|| must_be(name, TRUTHS));
        self.single(name)?.map(read).transpose()
    }

    /// Reads `limit`.
    fn limit(&self, range: RangeInclusive<usize>) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.single("limit")? else { return Ok(None) };
        let limit = number(text).filter(|limit| range.contains(limit));
        let accepted = || format!("a whole number from {} to {}", range.start(), range.end());
        limit.map(Some).ok_or_else(|| must_be("limit", &accepted()))
    }

    /// Reads `offset`.
    fn offset(&self) -> Result<usize, ApiError> {
        let Some(text) = self.single("offset")? else { return Ok(0) };
        number(text).ok_or_else(|| must_be("offset", "a whole number from 0"))
    }

    /// Reads `from` and `to`, each of which may be missing.
    fn range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let read = |name| {
            let text = self.single(name)?;
            text.map(|text| moment(text).ok_or_else(|| must_be(name, MOMENTS))).transpose()
        };
        Ok((read("from")?, read("to")?))
    }

    /// Reads `fields`, a list of some of these columns; `None` is all of them.
    fn fields<T: Copy + PartialEq>(
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
}

/// Splits a query string and decodes it, without the parameter that only defeats caches.
fn split(query: &str) -> Result<Vec<Pair<'_>>, ApiError> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    });
    let pairs: Vec<Pair<'_>> = pairs.collect::<Result<_, ApiError>>()?;
    Ok(pairs.into_iter().filter(|(name, _)| name != "_").collect())
}

/// Gives parameters that have another spelling the usual one.
fn with_plain_names(mut sent: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    for (name, _) in &mut sent {
        if let Some((_, plain)) = ALIASES.iter().find(|(alias, _)| alias == name) {
            *name = Cow::Borrowed(plain);
        }
    }
    sent
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

fn unknown_parameter(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    let known = match known {
        [all_but_last @ .., last] if !all_but_last.is_empty() => {
            format!("{} and {last}", all_but_last.join(", "))
        }
        few => few.join(", "),
    };
    ApiError::BadQuery(format!("Unknown parameter {shown:?}; known are {known}"))
}

fn must_be(name: &str, accepted: &str) -> ApiError {
    ApiError::BadQuery(format!("{name} must be {accepted}"))
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

/// Makes sure that a range does not end before it begins.
fn range(from: Timestamp, to: Timestamp) -> Result<TimeRange, ApiError> {
    if from > to {
        return Err(must_be("from", "no later than to"));
    }
    Ok(TimeRange { from, to })
}

/// Reads RFC 3339, or digits: seconds since 1970 until the year 5138, milliseconds since 1973.
fn moment(text: &str) -> Option<Timestamp> {
    const FIRST_MILLIS: i64 = 100_000_000_000;
    const END_OF_9999: i64 = 253_402_300_800_000;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        let millis = if number < FIRST_MILLIS { number * 1000 } else { number };
        return (millis < END_OF_9999).then_some(Timestamp::from_millis(millis));
    }
    let (seconds, nanos) = ReportedTime::parse(text).ok()?.instant();
    // Up to the next millisecond, since those are what is compared.
    Some(Timestamp::from_millis(seconds * 1000 + i64::from(nanos.div_ceil(1_000_000))))
}
