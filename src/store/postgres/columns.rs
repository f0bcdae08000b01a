//! Values of the columns of a row, for the lists in `store::record`.

use std::borrow::Cow;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::store::StoreError;
use crate::store::column::{FromColumn, Json, Text};

/// Reads a column of one type as a value of another.
macro_rules! columns_of {
    ($($value:ty: $stored:ty => $convert:expr,)*) => {
        $(impl<'r> FromColumn<'r, PgRow> for $value {
            fn from_column(row: &'r PgRow, place: usize) -> Result<Self, StoreError> {
                let convert: fn($stored) -> Self = $convert;
                Ok(convert(row.try_get(place)?))
            }
        })*
    };
}

// What cannot be negative is never stored so; a value that is, is damage that the domain refuses.
columns_of! {
    Text<'r>: &'r str => |text| Text(Cow::Borrowed(text)),
    Json<'r>: &'r str => |text| Json(Cow::Borrowed(text)),
    Option<Text<'r>>: Option<&'r str> => |text| text.map(|text| Text(Cow::Borrowed(text))),
    i64: i64 => |number| number,
    Option<i64>: Option<i64> => |number| number,
    u64: i32 => |number| u64::try_from(number).unwrap_or(u64::MAX),
    usize: i32 => |number| usize::try_from(number).unwrap_or(usize::MAX),
    Option<u32>: Option<i32> => |number| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
    u8: i16 => |number| u8::try_from(number).unwrap_or(u8::MAX),
}
