//! How Grafana fills in the variables of a dashboard.

use serde_json::Value;

/// How Grafana writes what is chosen of a variable that takes several values.
#[derive(Clone, Copy, Debug)]
pub enum Chosen {
    /// One value: `a`.
    One,
    /// Several values as the format `csv` has them: `a,b`.
    Csv,
    /// Several values as they are without a format: `{a,b}`.
    Braces,
    /// All: what the dashboard says for it, or else every value.
    All,
}

impl Chosen {
    /// All of them.
    pub const EVERY: [Self; 4] = [Self::One, Self::Csv, Self::Braces, Self::All];
}

/// Replaces every `${name}` and `${name:format}` of a text.
pub fn interpolate(text: &str, value: &impl Fn(&str) -> String) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (reference, rest) = part.split_once('}').unwrap();
        filled += &value(reference.split(':').next().unwrap());
        filled += rest;
    }
    filled
}

/// Returns what Grafana puts in for a variable, some of whose values are `names`.
pub fn chosen(variable: &Value, chosen: Chosen, names: &[&str]) -> String {
    match (chosen, variable["allValue"].as_str()) {
        (Chosen::One, _) => names[0].to_owned(),
        (Chosen::Braces, _) => format!("{{{}}}", names.join(",")),
        (Chosen::All, Some(all)) => all.to_owned(),
        (Chosen::Csv | Chosen::All, _) => names.join(","),
    }
}
