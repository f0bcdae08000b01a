//! The names of this server in the eyes of browsers.
//!
//! This module must not know what is refused for other names.

use std::net::Ipv6Addr;

use toml::Value;
use url::Host;

use super::value::{InvalidValue, Kind, SettingValue};

const ACCEPTED: &str = "expected host names without ports, such as status.example.org or \
     *.example.org, separated by commas";

/// Names of hosts as browsers write them, and patterns such as `*.example.org`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Parses a list separated by commas; an empty text is none.
    ///
    /// # Errors
    /// A port, a URL, an empty label, a `*` that does not stand for the first labels of a name of three
    /// or more, an IPv4 address that is not four numbers with dots.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidValue> {
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        let names = elements.map(|element| name(element).ok_or(InvalidValue::new(ACCEPTED)));
        names.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the names and patterns.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Writes a name as browsers do: in lower case, in ASCII, without a dot at its end.
fn name(text: &str) -> Option<String> {
    let (prefix, rest) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    // Browsers read `%61` as `a`; nobody writes that in earnest.
    if rest.contains(['*', '%']) {
        return None;
    }
    let without_brackets = rest.parse::<Ipv6Addr>().map(Host::Ipv6);
    match without_brackets.or_else(|_| Host::parse(rest)).ok()? {
        Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(&domain);
            let is_name = domain.split('.').all(|label| !label.is_empty());
            // Below `*.com` there are names of others.
            let is_suffix = !prefix.is_empty() && !domain.contains('.');
            (is_name && !is_suffix).then(|| format!("{prefix}{domain}"))
        }
        // Browsers read `2130706433` and `127.1` as addresses.
        Host::Ipv4(address) if address.to_string() != rest => None,
        address => prefix.is_empty().then(|| address.to_string()),
    }
}

impl SettingValue for AllowedHosts {
    const KIND: Kind = Kind::Hosts;

    fn to_toml(&self) -> Value {
        self.0.join(",").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_browsers_write_them() {
        for (text, names) in [
            ("", &[][..]),
            (" , ", &[]),
            ("status.example.org", &["status.example.org"]),
            ("Status.Example.ORG.", &["status.example.org"]),
            ("a.example, *.Example.net ,b", &["a.example", "*.example.net", "b"]),
            ("stätus.example", &["xn--sttus-hra.example"]),
            ("192.0.2.1,[::1],2001:DB8::0:1", &["192.0.2.1", "[::1]", "[2001:db8::1]"]),
        ] {
            let hosts = AllowedHosts::parse(text).unwrap();
            assert_eq!(hosts.iter().collect::<Vec<_>>(), names, "{text}");
        }
        for text in [
            "status.example.org:8080",
            "https://status.example.org",
            "status.example.org/x",
            "user@example.org",
            "*",
            "*.",
            "*example.org",
            "*.*.org",
            "*.com",
            "*.com.",
            "a..b",
            "*.a..b",
            ".a.example",
            "a.example..",
            "%61.example",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "a.*.org",
            "*.192.0.2.1",
            "*.[::1]",
            "[::1",
            "[::1]:8080",
            "a b",
            ".",
        ] {
            assert!(AllowedHosts::parse(text).is_err(), "{text}");
        }
    }
}
