//! The types of values: how TOML writes each, and the parsers of the simple ones.
//!
//! This module must not know which setting a value belongs to, or where it came from.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use toml::Value;

/// Why a value is refused, in one line that says what is accepted and does not repeat the value.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An address and a port.
    Address,
    /// A URL, which may hold a password.
    Url,
    /// A URL that people may see, or a template of one.
    Link,
    /// The path of a file.
    File,
    /// Names of hosts, separated by commas.
    Hosts,
    /// A duration such as `2h`, or 0.
    Duration,
    /// A whole number.
    Number,
    /// A boolean; as a flag, its name alone means true.
    Switch,
    /// The name of a form of text.
    Format,
}

/// A type that a setting can have.
pub(super) trait SettingValue {
    /// What its values look like.
    const KIND: Kind;

    /// Returns the value as it would be written in the TOML file, with a password masked.
    fn to_toml(&self) -> Value;
}

impl SettingValue for SocketAddr {
    const KIND: Kind = Kind::Address;

    fn to_toml(&self) -> Value {
        self.to_string().into()
    }
}

/// `None` is written as an empty text.
impl SettingValue for Option<SocketAddr> {
    const KIND: Kind = Kind::Address;

    fn to_toml(&self) -> Value {
        self.map(|address| address.to_string()).unwrap_or_default().into()
    }
}

impl SettingValue for usize {
    const KIND: Kind = Kind::Number;

    fn to_toml(&self) -> Value {
        // No setting's range exceeds TOML's integers.
        i64::try_from(*self).unwrap_or(i64::MAX).into()
    }
}

impl SettingValue for bool {
    const KIND: Kind = Kind::Switch;

    fn to_toml(&self) -> Value {
        (*self).into()
    }
}

/// A type that has a zero, which turns a setting off.
pub(super) trait WithZero: SettingValue + Copy + Default {}

impl WithZero for usize {}
impl WithZero for Duration {}

/// `None` is written as 0.
impl<T: WithZero> SettingValue for Option<T> {
    const KIND: Kind = T::KIND;

    fn to_toml(&self) -> Value {
        self.unwrap_or_default().to_toml()
    }
}

/// Parses a whole number from `LEAST` to `MOST` in decimal digits.
///
/// # Errors
/// Anything else.
pub(super) fn number<const LEAST: usize, const MOST: usize>(
    text: &str,
) -> Result<usize, InvalidValue> {
    Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| InvalidValue::new(format!("expected a whole number from {LEAST} to {MOST}")))
}

/// Parses a limit from `LEAST` to `MOST`, or 0, which means that there is no limit.
///
/// # Errors
/// Anything else.
pub(super) fn limit<const LEAST: usize, const MOST: usize>(
    text: &str,
) -> Result<Option<usize>, InvalidValue> {
    match number::<0, MOST>(text)? {
        0 => Ok(None),
        limit if limit >= LEAST => Ok(Some(limit)),
        _ => {
            Err(InvalidValue::new(format!("expected a whole number from {LEAST} to {MOST}, or 0")))
        }
    }
}

/// Parses a boolean.
///
/// # Errors
/// Anything but `true`, `1`, `false` and `0`.
pub(super) fn switch(text: &str) -> Result<bool, InvalidValue> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(InvalidValue::new("expected true, 1, false or 0")),
    }
}

/// Parses an address to listen on. Port 0 lets the operating system choose.
///
/// `localhost` is the IPv4 loopback address. No other name is looked up, so that the address does
/// not depend on a resolver.
///
/// # Errors
/// Anything but `IP:PORT`, `[IPv6]:PORT` and `localhost:PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, InvalidValue> {
    let parsed = match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            format!("{}:{port}", Ipv4Addr::LOCALHOST).parse().ok()
        }
        _ => text.parse().ok(),
    };
    parsed.ok_or_else(|| {
        InvalidValue::new(
            "expected IP:PORT or localhost:PORT, such as 127.0.0.1:8080 or [::1]:8080",
        )
    })
}

/// Parses an address to listen on, or an empty text for none.
///
/// # Errors
/// As [`address`].
pub(super) fn address_or_none(text: &str) -> Result<Option<SocketAddr>, InvalidValue> {
    if text.is_empty() { Ok(None) } else { address(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_within_its_range() {
        for (text, number_of) in [("16", Some(16)), ("0016", Some(16)), ("20", Some(20))] {
            assert_eq!(number::<16, 20>(text).ok(), number_of, "{text}");
        }
        for text in [
            "",
            "15",
            "21",
            "+17",
            "-17",
            "17.0",
            "1e1",
            " 17",
            "1_7",
            "0x11",
            "99999999999999999999999",
        ] {
            assert_eq!(
                number::<16, 20>(text).unwrap_err().to_string(),
                "expected a whole number from 16 to 20",
                "{text:?}"
            );
        }
    }

    #[test]
    fn no_limit_is_written_as_zero() {
        for (text, expected) in [("0", None), ("00", None), ("1", Some(1)), ("20", Some(20))] {
            assert_eq!(limit::<1, 20>(text).unwrap(), expected, "{text}");
        }
        assert!(limit::<1, 20>("21").is_err());
        assert_eq!(limit::<5, 20>("0").unwrap(), None);
        assert_eq!(
            limit::<5, 20>("4").unwrap_err().to_string(),
            "expected a whole number from 5 to 20, or 0"
        );
    }

    #[test]
    fn a_switch_has_four_words() {
        for (text, on) in [("true", true), ("1", true), ("false", false), ("0", false)] {
            assert_eq!(switch(text).unwrap(), on);
        }
        for text in ["", "yes", "no", "on", "True", "TRUE", "2", " true"] {
            assert!(switch(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_an_ip_or_localhost_with_a_port() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]:65535", "[::]:65535"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            ":8080",
            "8080",
            "127.0.0.1",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:+1",
            "::1:8080",
            "example.org:80",
            "http://127.0.0.1:8080",
            "127.0.0.1:99999",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
