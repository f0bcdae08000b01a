//! The form of the lines on standard error.
//!
//! This module must not know what is logged, or how a line is written.

use toml::Value;

use super::value::{InvalidValue, Kind, SettingValue};

/// The form of the lines on standard error.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object each.
    Json,
}

impl LogFormat {
    /// Parses the name of a form.
    ///
    /// # Errors
    /// Anything but `text` and `json`.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidValue::new("expected text or json")),
        }
    }
}

impl SettingValue for LogFormat {
    const KIND: Kind = Kind::Format;

    fn to_toml(&self) -> Value {
        match self {
            Self::Text => "text".into(),
            Self::Json => "json".into(),
        }
    }
}
