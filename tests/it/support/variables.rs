//! How Grafana fills in the variables of a dashboard.

use serde_json::Value;

use super::infinity::percent_encoded;

/// How Grafana writes the chosen values of a multi-value variable.
#[derive(Clone, Copy, Debug)]
pub enum Chosen {
    /// One value: `a`.
    One,
    /// Several values.
    Several,
    /// The choice "All": the dashboard's text for it, or every value.
    All,
}

impl Chosen {
    /// All of them.
    pub const EVERY: [Self; 3] = [Self::One, Self::Several, Self::All];
}

/// Replaces every `${name}` and `${name:format}` of a text by what a function returns for the name and
/// the format.
pub fn interpolate(text: &str, value: &impl Fn(&str, &str) -> String) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (reference, rest) = part.split_once('}').unwrap();
        let (name, format) = reference.split_once(':').unwrap_or((reference, ""));
        filled += &value(name, format);
        filled += rest;
    }
    filled
}

/// Returns the text that Grafana substitutes, in a format, for a variable that has the values `names`.
pub fn chosen(variable: &Value, chosen: Chosen, format: &str, names: &[&str]) -> String {
    let names = match (chosen, variable["allValue"].as_str()) {
        (Chosen::One, _) => &names[..1],
        // Grafana substitutes this text in every format that the dashboards use.
        (Chosen::All, Some(all)) => return all.to_owned(),
        (Chosen::Several | Chosen::All, _) => names,
    };
    let name = variable["name"].as_str().unwrap();
    let parameter = |value: &&str| format!("{name}={}", percent_encoded(value));
    match format {
        "" if names.len() > 1 => format!("{{{}}}", names.join(",")),
        "" | "csv" => names.join(","),
        "customqueryparam" => names.iter().map(parameter).collect::<Vec<_>>().join("&"),
        other => panic!("{other} is no format of Grafana that this test knows"),
    }
}
