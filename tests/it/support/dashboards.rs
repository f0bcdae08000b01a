//! The dashboards of `deploy/grafana` and their contents.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::infinity::Query;

/// A dashboard and the name of its file.
pub struct Dashboard {
    pub file: String,
    pub json: Value,
}

/// Returns a path of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the path of a file in `deploy`, as an argument of a program.
pub fn shipped(path: &str) -> String {
    repository("deploy").join(path).to_str().unwrap().to_owned()
}

/// Reads all dashboards.
pub fn dashboards() -> Vec<Dashboard> {
    let folder = repository("deploy/grafana/dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut dashboards: Vec<_> = files
        .map(|path| Dashboard {
            file: path.file_name().unwrap().to_string_lossy().into_owned(),
            json: serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(),
        })
        .collect();
    dashboards.sort_by(|a, b| a.file.cmp(&b.file));
    dashboards
}

impl Dashboard {
    /// Returns the panels, those in rows included.
    pub fn panels(&self) -> Vec<&Value> {
        let top = self.json["panels"].as_array().unwrap().iter();
        let panels = top.flat_map(|panel| match panel["panels"].as_array() {
            Some(row) => row.iter().collect(),
            None => vec![panel],
        });
        panels.collect()
    }

    /// Returns the variables.
    pub fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    /// Returns the variable of a name.
    pub fn variable(&self, name: &str) -> &Value {
        let found = self.variables().iter().find(|variable| variable["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no variable {name}", self.file))
    }

    /// Returns every Infinity query of panels, annotations and variables, with its location.
    pub fn infinity_queries(&self) -> Vec<(String, Query)> {
        let mut found = Vec::new();
        walk(&self.json, &mut |object| {
            if object["parser"].is_string() {
                let place = format!("{}: {} {}", self.file, object["url"], object["columns"]);
                found.push((place, Query(object.clone())));
            }
        });
        found
    }

    /// Returns every expression for Prometheus, those of variables included.
    pub fn expressions(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.json, &mut |object| {
            if let Some(expression) = object["expr"].as_str() {
                found.push(expression.to_owned());
            }
            if let Some(query) = object["query"].as_str()
                && let Some(arguments) = query.strip_prefix("label_values(")
            {
                found.push(arguments.split(',').next().unwrap().to_owned());
            }
        });
        found.sort();
        found.dedup();
        found
    }
}

/// Calls a function for every object within a value.
pub fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(object) => {
            visit(value);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(array) => array.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// Returns the names in all `${name}`, `${name:format}` and `$name` of a text.
pub fn references(text: &str) -> Vec<&str> {
    let starts = text.split('$').skip(1).map(|rest| rest.strip_prefix('{').unwrap_or(rest));
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = starts.map(|rest| rest.split(|c| !is_name(c)).next().unwrap());
    names.filter(|name| !name.is_empty()).collect()
}
