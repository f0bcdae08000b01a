//! Grafana's Infinity data source: the requests that it sends, and the answers that it can parse.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::Client;

/// Characters that Infinity does not percent-encode.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string().replace(' ', "+")
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// Encodes a text as Grafana does in a URL.
pub fn percent_encoded(text: &str) -> String {
    encoded(text).replace('+', "%20")
}

/// A query as it stands in a dashboard.
pub struct Query(pub Value);

impl Query {
    /// Returns path and query string: the parameters of the URL and the others, filled in, sorted by
    /// name and encoded.
    pub fn target(&self, fill_in: impl Fn(&str) -> String) -> String {
        let url = fill_in(self.0["url"].as_str().unwrap());
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let sent = query.split('&').filter_map(|pair| pair.split_once('='));
        let sent = sent.map(|(key, value)| (key.to_owned(), decoded(value)));
        let parameters = self.0["url_options"]["params"].as_array().into_iter().flatten();
        let listed = parameters.map(|parameter| {
            let value = fill_in(parameter["value"].as_str().unwrap());
            (parameter["key"].as_str().unwrap().to_owned(), value)
        });
        let mut pairs: Vec<_> = sent.chain(listed).collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", encoded(value)));
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    /// Sends the query, and returns its rows. Fails unless each row has every column, with one type.
    pub fn rows(&self, client: &Client, target: &str) -> Vec<Value> {
        let answer = ask(client, target);
        let rows = match self.0["root_selector"].as_str().unwrap() {
            "" => answer,
            root => answer[root].clone(),
        };
        // One object is one row.
        let rows = if rows.is_object() { vec![rows] } else { rows.as_array().unwrap().clone() };
        for column in self.0["columns"].as_array().unwrap() {
            let selector = column["selector"].as_str().unwrap();
            for row in &rows {
                let value = row.get(selector);
                let value = value.unwrap_or_else(|| panic!("{target}: no {selector} in {row}"));
                assert!(is_of(value, &column["type"]), "{target}: {selector} is {value}");
            }
        }
        rows
    }
}

/// Sends a request as Infinity does, and returns the text that it would parse.
pub fn ask(client: &Client, target: &str) -> Value {
    let headers = [("Accept", "application/json;q=0.9,text/plain"), ("Accept-Encoding", "gzip")];
    let reply = client.get_with(target, &headers);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"), "{target}");
    assert_eq!(reply.header("content-encoding"), Some("gzip"), "{target}");
    serde_json::from_slice(&reply.inflated()).unwrap_or_else(|_| panic!("{target}: no JSON"))
}

/// Whether a value is null or of the type that a column declares.
fn is_of(value: &Value, kind: &Value) -> bool {
    match (value, kind.as_str().unwrap()) {
        (Value::Null, _) | (Value::String(_), "string") | (Value::Number(_), "number") => true,
        (Value::String(time), "timestamp") => time.contains('T') && time.ends_with('Z'),
        _ => false,
    }
}
