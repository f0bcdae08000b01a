//! How Grafana fills in the variables of a dashboard.

use serde_json::Value;

/// How Grafana writes the chosen values of a multi-value variable.
#[derive(Clone, Copy, Debug)]
pub enum Chosen {
    /// One value: `a`.
    One,
    /// Several values in the format `csv`: `a,b`.
    Csv,
    /// Several values without a format: `{a,b}`.
    Braces,
    /// The choice "All": the dashboard's text for it, or every value.
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

/// Returns the text that Grafana substitutes for a variable that has the values `names`.
pub fn chosen(variable: &Value, chosen: Chosen, names: &[&str]) -> String {
    match (chosen, variable["allValue"].as_str()) {
        (Chosen::One, _) => names[0].to_owned(),
        (Chosen::Braces, _) => format!("{{{}}}", names.join(",")),
        (Chosen::All, Some(all)) => all.to_owned(),
        (Chosen::Csv | Chosen::All, _) => names.join(","),
    }
}
