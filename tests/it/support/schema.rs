//! Holds JSON against the schemas of the API's description.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Reply;

/// The description of the API, and which of its columns have been served.
pub struct Description {
    document: Value,
    served: BTreeSet<String>,
}

impl Description {
    pub fn new(document: Value) -> Self {
        Self { document, served: BTreeSet::new() }
    }

    /// Returns every operation: its path, its method in capitals, and what is said of it.
    pub fn operations(&self) -> impl Iterator<Item = (&str, String, &Value)> {
        object(&self.document["paths"]).iter().flat_map(|(path, methods)| {
            object(methods).iter().map(move |(method, operation)| {
                (path.as_str(), method.to_ascii_uppercase(), operation)
            })
        })
    }

    /// Returns the parameters of an operation.
    pub fn parameters<'a>(
        &'a self,
        operation: &'a Value,
    ) -> impl Iterator<Item = &'a Value> + Clone {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(|parameter| self.resolved(parameter))
    }

    /// Returns the component that a reference names, or a value that is no reference.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
        let component = reference.strip_prefix('#').and_then(|path| self.document.pointer(path));
        component.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Fails unless the status, the media type and the body of an answer are described.
    pub fn check(&mut self, method: &str, target: &str, reply: &Reply) {
        let path = target.split('?').next().unwrap();
        let method = method.to_ascii_lowercase();
        let at = format!("{method} {target}: {}", reply.status);
        let responses = &self.document["paths"][path][method]["responses"];
        let response = self.resolved(&responses[reply.status.to_string()]).clone();
        assert!(response.is_object(), "{at} is not described");
        if reply.body.is_empty() && response["content"].is_null() {
            return;
        }
        let media_type = reply.header("content-type").unwrap();
        let known = object(&response["content"]).iter().find(|(described, _)| {
            media_type == *described || media_type.split(';').next() == Some(described)
        });
        let (_, content) = known.unwrap_or_else(|| panic!("{at}: {media_type} is not described"));
        if media_type == "application/json" {
            let fits = self.fits(&content["schema"], &reply.json(), "");
            fits.unwrap_or_else(|error| panic!("{at}: {error} in {}", reply.text()));
        }
    }

    /// Returns every column that is described, and has been in no answer.
    pub fn never_served(&self) -> Vec<String> {
        let schemas = object(&self.document["components"]["schemas"]).iter();
        let columns = schemas.flat_map(|(name, schema)| {
            let columns = schema.get("properties").and_then(Value::as_object);
            columns.into_iter().flat_map(Map::keys).map(move |column| format!("{name}.{column}"))
        });
        columns.filter(|column| !self.served.contains(column)).collect()
    }

    /// Holds a value against a schema; `at` is the schema's name, and the column in it.
    pub fn fits(&mut self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        object(schema)
            .iter()
            .try_for_each(|(keyword, rule)| self.follows(keyword, rule, value, at, schema))
    }

    fn follows(
        &mut self,
        keyword: &str,
        rule: &Value,
        value: &Value,
        at: &str,
        schema: &Value,
    ) -> Result<(), String> {
        let characters = value.as_str().map(|text| text.chars().count() as u64);
        let is_met = match keyword {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
                let schema = self.resolved(schema).clone();
                return self.fits(&schema, value, name);
            }
            "oneOf" => {
                let schemas = rule.as_array().unwrap().iter();
                schemas.filter(|schema| self.fits(schema, value, at).is_ok()).count() == 1
            }
            "properties" => {
                for (name, column) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}.{name}");
                    let described = rule.get(name).ok_or(format!("{at} is not described"))?;
                    self.fits(described, column, &at)?;
                    self.served.insert(at);
                }
                true
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                return items.try_for_each(|item| self.fits(rule, item, at));
            }
            "type" => is_of_type(value, rule),
            "required" => rule.as_array().unwrap().iter().all(|name| {
                value.as_object().is_none_or(|object| object.contains_key(name.as_str().unwrap()))
            }),
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
            "minLength" => characters.is_none_or(|length| length >= rule.as_u64().unwrap()),
            "maxLength" => characters.is_none_or(|length| length <= rule.as_u64().unwrap()),
            "format" if rule == "date-time" => value.as_str().is_none_or(is_date_time),
            "format" | "description" | "example" => true,
            unknown => panic!("{unknown} in {schema}: teach this test what it means"),
        };
        is_met.then_some(()).ok_or_else(|| format!("{at}: {value} breaks {keyword} {rule}"))
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}"))
}

fn is_of_type(value: &Value, rule: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("unknown type {unknown}"),
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}

fn is_date_time(text: &str) -> bool {
    let (date, time) = text.split_once('T').unwrap_or_default();
    let is_zoned = time.ends_with('Z') || time.contains(['+', '-']);
    date.len() == 10 && time.len() >= 9 && is_zoned
}
