//! The field `files` of an update. An error names the element and the reason.

use std::fmt;

use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::ApiError;
use super::wire::string;
use crate::domain::{FileName, FileNames, MAX_FILES};

/// The value of `files`, complete as JSON; its names are not checked yet.
pub(super) enum Files<'a> {
    Array(Elements<'a>),
    Other(&'a RawValue),
}

/// The elements of an array. `kept` is `None` if they are too many: elements beyond the limit are
/// checked and counted, but not kept, because two bytes on the wire take many times that in memory.
pub(super) struct Elements<'a> {
    kept: Option<Vec<Element<'a>>>,
    count: usize,
    /// The first element that has its name twice.
    repeating: Option<usize>,
}

enum Element<'a> {
    Object(Object<'a>),
    Other(&'a RawValue),
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

impl<'a> Files<'a> {
    /// Splits the value into its elements.
    ///
    /// # Errors
    /// An error means that the whole document is not acceptable.
    pub(super) fn parse(value: &'a RawValue) -> Result<Self, ApiError> {
        if !value.get().starts_with('[') {
            return Ok(Self::Other(value));
        }
        let elements: Elements<'a> = serde_json::from_str(value.get())
            .map_err(|_| ApiError::InvalidJson("files cannot be read".to_owned()))?;
        match elements.repeating {
            Some(index) => {
                let detail = format!("the field \"name\" is in files[{index}] twice");
                Err(ApiError::InvalidJson(detail))
            }
            None => Ok(Self::Array(elements)),
        }
    }

    /// Reads the names.
    ///
    /// # Errors
    /// 400 with the first wrong element.
    pub(super) fn names(self) -> Result<FileNames, ApiError> {
        let Elements { kept, count, repeating: _ } = match self {
            Self::Array(elements) => elements,
            Self::Other(value) => {
                let kind = kind(value);
                return Err(ApiError::InvalidFiles(format!(
                    "files must be an array of objects, such as [{EXAMPLE}]: it is {kind}"
                )));
            }
        };
        let elements = kept.ok_or_else(|| {
            ApiError::InvalidFiles(format!(
                "files must be an array of at most {MAX_FILES} objects: there are {count}; send the \
                 first {MAX_FILES}, and the true number as drift_count"
            ))
        })?;
        elements.iter().enumerate().map(|(index, element)| name(index, element)).collect()
    }
}

/// A right element.
const EXAMPLE: &str = r#"{"name":"rsyslog.conf"}"#;

fn name(index: usize, element: &Element<'_>) -> Result<FileName, ApiError> {
    let wrong = |reason: &str| {
        ApiError::InvalidFiles(format!("files[{index}].{}: {reason}", FileName::INVALID))
    };
    let value = match element {
        Element::Object(Object { name }) => name.ok_or_else(|| wrong("it is missing"))?,
        Element::Other(value) => {
            let kind = kind(value);
            return Err(ApiError::InvalidFiles(format!(
                "files[{index}] must be an object, such as {EXAMPLE}: it is {kind}"
            )));
        }
    };
    let text = string(value).ok_or_else(|| wrong(&format!("it is {}", kind(value))))?;
    FileName::parse(&text).map_err(|_| wrong(&fault(&text)))
}

/// Returns what is wrong with a name.
fn fault(name: &str) -> String {
    match name.chars().enumerate().find(|(_, character)| character.is_control()) {
        _ if name.is_empty() => "it is empty".to_owned(),
        Some((place, control)) => {
            format!("its character {} is U+{:04X}", place + 1, u32::from(control))
        }
        None => format!("it has {} characters", name.chars().count()),
    }
}

/// Returns the kind of a JSON value, in words.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes() {
        [b'{', ..] => "an object",
        [b'[', ..] => "an array",
        [b'"', ..] => "a string",
        [b't' | b'f', ..] => "a boolean",
        [b'n', ..] => "null",
        _ => "a number",
    }
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut array: S) -> Result<Self::Value, S::Error> {
                let mut elements = Elements { kept: Some(Vec::new()), count: 0, repeating: None };
                while let Some(element) = array.next_element::<&'de RawValue>()? {
                    elements.push(element);
                }
                Ok(elements)
            }
        }

        from.deserialize_seq(Array)
    }
}

impl<'a> Elements<'a> {
    fn push(&mut self, value: &'a RawValue) {
        let element = if value.get().starts_with('{') {
            // Any other fault was found when the document was split into its fields.
            serde_json::from_str(value.get()).map(Element::Object).ok()
        } else {
            Some(Element::Other(value))
        };
        if element.is_none() {
            self.repeating.get_or_insert(self.count);
        }
        self.count += 1;
        if self.count > MAX_FILES {
            self.kept = None;
        }
        if let (Some(kept), Some(element)) = (&mut self.kept, element) {
            kept.push(element);
        }
    }
}
