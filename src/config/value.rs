//! Values of simple types: numbers, switches and addresses, from text.
//!
//! This module must not know which setting a value belongs to, or where it was given.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use thiserror::Error;

/// Why a value is refused, in one line that says what is accepted and does not repeat the value.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

/// Makes a parser of whole numbers in decimal digits, which refuses anything else and numbers out
/// of `range`.
pub(super) fn number(
    range: RangeInclusive<usize>,
) -> impl FnOnce(&str) -> Result<usize, InvalidValue> {
    move |text| {
        Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                InvalidValue::new(format!("expected a whole number from {least} to {most}"))
            })
    }
}

/// Makes a parser of limits from `least` to `most`, or 0, which means that there is no limit.
pub(super) fn number_or_off(
    least: usize,
    most: usize,
) -> impl FnOnce(&str) -> Result<Option<usize>, InvalidValue> {
    move |text| {
        let limit = number(0..=most)(text)?;
        if limit > 0 && limit < least {
            let accepted = format!("expected a whole number from {least} to {most}, or 0");
            return Err(InvalidValue::new(accepted));
        }
        Ok((limit > 0).then_some(limit))
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
/// `localhost` is the IPv4 loopback address; no other name is looked up, so that the address
/// does not depend on a resolver.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_within_its_range() {
        for (text, number_of) in [("16", Some(16)), ("0016", Some(16)), ("20", Some(20))] {
            assert_eq!(number(16..=20)(text).ok(), number_of, "{text}");
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
                number(16..=20)(text).unwrap_err().to_string(),
                "expected a whole number from 16 to 20",
                "{text:?}"
            );
        }
    }

    #[test]
    fn no_limit_is_written_as_zero() {
        for (text, limit) in [("0", None), ("00", None), ("1", Some(1)), ("20", Some(20))] {
            assert_eq!(number_or_off(1, 20)(text).unwrap(), limit, "{text}");
        }
        assert!(number_or_off(1, 20)("21").is_err());
        assert_eq!(number_or_off(5, 20)("0").unwrap(), None);
        assert_eq!(
            number_or_off(5, 20)("4").unwrap_err().to_string(),
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
