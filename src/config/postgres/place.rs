//! The places where servers listen, as lists of hosts and ports name them.

use std::fmt;
use std::net::IpAddr;

use super::super::value::InvalidValue;
use super::escapes::{decoded, escaped};

/// The port of a server that names none.
const DEFAULT_PORT: u16 = 5432;
/// More than a cluster has.
const MOST_HOSTS: usize = 16;

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// A name, an address, or the absolute path of the folder of a Unix socket.
    pub host: String,
    pub(super) port: Option<u16>,
}

impl Place {
    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// Whether it is a Unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether what is sent there leaves this machine.
    pub(super) fn is_beyond_this_machine(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        let is_loopback = address.is_ok_and(|address| address.to_canonical().is_loopback());
        !(self.is_socket() || is_loopback || self.host.eq_ignore_ascii_case("localhost"))
    }

    /// Parses the hosts of a URL, each perhaps with a port.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Self>, InvalidValue> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        within_bounds(text.split(',').map(Self::parse).collect::<Result<_, _>>()?)
    }

    fn parse(text: &str) -> Result<Self, InvalidValue> {
        let unclosed = || InvalidValue::new("host: a [ has no ]");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(unclosed)?;
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(unclosed()),
                    port => (host, port),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let host = checked_host(&decoded(host, "host")?)?;
        // `host:` is a host without a port.
        let port = port.filter(|port| !port.is_empty()).map(parse_port).transpose()?;
        Ok(Self { host, port })
    }

    /// Parses a list of hosts without ports, as the parameter `host` and `PGHOST` have it.
    pub(super) fn parse_hosts(text: &str) -> Result<Vec<Self>, InvalidValue> {
        let host = |host: &str| Ok(Self { host: checked_host(host)?, port: None });
        within_bounds(text.split(',').map(host).collect::<Result<_, _>>()?)
    }

    /// Gives the places their ports: one for all, or one for each.
    pub(super) fn set_ports(places: &mut [Self], text: &str) -> Result<(), InvalidValue> {
        let ports: Vec<u16> = text.split(',').map(parse_port).collect::<Result<_, _>>()?;
        let is_for_all = ports.len() == 1;
        if !is_for_all && ports.len() != places.len() {
            return Err(InvalidValue::new("port: expected one for all hosts, or one for each"));
        }
        for (place, port) in places.iter_mut().zip(ports.iter().cycle()) {
            place.port.get_or_insert(*port);
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.is_socket() {
            write!(f, "[{}]", self.host)?;
        } else {
            escaped(&self.host).fmt(f)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn within_bounds(places: Vec<Place>) -> Result<Vec<Place>, InvalidValue> {
    if places.len() > MOST_HOSTS {
        return Err(InvalidValue::new(format!("host: at most {MOST_HOSTS} are accepted")));
    }
    Ok(places)
}

/// Does not repeat the text: it may be a part of a password with a character that is not escaped.
fn checked_host(host: &str) -> Result<String, InvalidValue> {
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = !host.is_empty() && host.chars().all(is_part_of_name);
    let is_folder = host.starts_with('/') && !host.contains(char::is_control);
    if is_name || is_folder || host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    Err(InvalidValue::new(
        "host: expected a name, an IP address (IPv6 in brackets) or the absolute folder of a Unix \
         socket; the characters @ : / ? # % in a password are written %40 %3A %2F %3F %23 %25",
    ))
}

fn parse_port(text: &str) -> Result<u16, InvalidValue> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port > 0);
    port.ok_or_else(|| {
        InvalidValue::new(
            "port: expected a number from 1 to 65535; the characters : and / in a password are \
             written %3A and %2F",
        )
    })
}
