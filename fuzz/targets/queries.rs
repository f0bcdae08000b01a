//! Query strings.

use std::fmt::{Debug, Write as _};

use gitops_status_server::domain::{Filter, Timestamp};
use gitops_status_server::http::fuzzing::{self, Refusal, parameters};
use gitops_status_server::page::{OverviewQuery, Parameters};

use crate::model::Sent;
use crate::refusal::{is_one_line, is_understandable};

const NOW: Timestamp = Timestamp::from_millis(1_776_767_535_007);

/// The list of entries.
pub fn list(input: &[u8]) {
    let Some((query, (selection, layout))) = read(input, fuzzing::list) else { return };
    assert!(selection.limit.is_none_or(|limit| (1..=100_000).contains(&limit)));
    let columns = layout.columns();
    assert!(!columns.is_empty() && columns.iter().all(|it| layout.shape.columns().contains(it)));
    selects_what_it_says(query, &selection.filter);
}

/// The history.
pub fn history(input: &[u8]) {
    let Some((query, (history, flat))) = read(input, |query| fuzzing::history(query, NOW)) else {
        return;
    };
    selects_what_it_says(query, &history.filter);
    assert!(history.range.from <= history.range.to && (1..=10_000).contains(&history.limit));
    if let Some(cursor) = history.after {
        // It has one spelling.
        let is_sent =
            |(name, value): &(String, String)| name == "cursor" && *value == cursor.to_string();
        assert!(parameters(query).expect("it was understood").iter().any(is_sent), "{query}");
    }
    let plain = without_times(query);
    if history.range.from.millis() != i64::MIN && history.range.to.millis() != i64::MAX {
        let spelt = format!("{plain}&from={}&to={}", history.range.from, history.range.to);
        assert_eq!(fuzzing::history(&spelt, NOW), Ok((history, flat)), "{spelt}");
    }
}

/// Timelines.
pub fn timeline(input: &[u8]) {
    let Some((query, (filter, timeline))) = read(input, |query| fuzzing::timeline(query, NOW))
    else {
        return;
    };
    selects_what_it_says(query, &filter);
    let range = timeline.range;
    assert!(range.from <= range.to && (1..=100_000).contains(&timeline.limit));
    let spelt = format!("{}&from={}&to={}", without_times(query), range.from, range.to);
    // A day before the year 1 has no spelling.
    if range.from.millis() > -62_135_596_800_000 {
        assert_eq!(fuzzing::timeline(&spelt, NOW), Ok((filter, timeline)), "{spelt}");
    }
}

/// All routes with a check of their query strings.
pub fn routes(input: &[u8]) {
    let Some((route, query)) = input.split_first() else { return };
    read(query, |query| fuzzing::check(usize::from(*route), query, NOW));
}

/// The overview understands its own links, and says of the rest that it is ignored.
pub fn overview(input: &[u8]) {
    let Ok(query) = std::str::from_utf8(input) else { return };
    let OverviewQuery { notices, selection, view, parameters } = fuzzing::overview(query);
    notices.iter().for_each(|notice| is_one_line(notice));
    assert!(notices.len() <= query.split('&').count() + 1);
    let link = parameters.to_string();
    let again = OverviewQuery { notices: Vec::new(), selection, view, parameters };
    assert_eq!(fuzzing::overview(&link), again, "{link}");
    selects_what_it_says(&link, &again.selection.filter);
}

/// Reads a query string. Whether and how it is understood does not depend on its spelling.
fn read<T: Debug + PartialEq>(
    input: &[u8],
    parse: impl Fn(&str) -> Result<T, Refusal>,
) -> Option<(&str, T)> {
    let query = std::str::from_utf8(input).ok()?;
    let read = parse(query);
    if let Ok(sent) = parameters(query) {
        for spelt in spellings(&sent) {
            assert_eq!(parse(&spelt), read, "{spelt}");
        }
    }
    match read {
        Ok(read) => Some((query, read)),
        Err(refusal) => {
            is_understandable(&refusal);
            None
        }
    }
}

/// Returns other query strings with the same parameters.
fn spellings(sent: &[(String, String)]) -> [String; 3] {
    let pairs = sent.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let usual = Parameters::new(pairs.clone()).to_string();
    let mut encoded = String::new();
    for (name, value) in pairs {
        encoded.push_str("&&");
        encode(&mut encoded, name);
        encoded.push('=');
        encode(&mut encoded, value);
    }
    let spaced = format!("_=1&{}", usual.replace("%20", "+"));
    [usual, encoded, spaced]
}

/// Encodes every byte, also those that need not be.
fn encode(to: &mut String, text: &str) {
    for byte in text.bytes() {
        write!(to, "%{byte:02x}").expect("a string takes all");
    }
}

/// Returns a query string without `from` and `to`.
fn without_times(query: &str) -> String {
    let sent = parameters(query).expect("it was understood");
    let pairs = sent.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Parameters::new(pairs).without(&["from", "to"]).to_string()
}

/// A filter lets the same entries pass as the simplest definition.
fn selects_what_it_says(query: &str, filter: &Filter) {
    let sent = parameters(query).expect("it was understood");
    let sent = Sent(&sent);
    for sample in sent.samples() {
        assert_eq!(filter.matches(&sample), sent.lets_pass(&sample), "{query}: {sample:?}");
    }
}
