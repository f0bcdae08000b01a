//! Values as columns hold them, in a JSON array or by themselves.

use std::borrow::Cow;
use std::ops::Deref;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::StoreError;

/// A value in a column of a row of some database.
pub(super) trait FromColumn<'r, R>: Sized {
    fn from_column(row: &'r R, place: usize) -> Result<Self, StoreError>;
}

/// A text that is copied only if it has escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// JSON as a text. Within a JSON array it is a text, as the database has it, or stands for itself, as
/// it was written.
pub(super) struct Json<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <&RawValue>::deserialize(deserializer)?.get();
        if !value.starts_with('"') {
            return Ok(Self(Cow::Borrowed(value)));
        }
        let Text(text) = serde_json::from_str(value).map_err(serde::de::Error::custom)?;
        Ok(Self(text))
    }
}

impl Deref for Json<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
