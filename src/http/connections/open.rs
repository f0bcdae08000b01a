//! The open connections, and which of them is closed when there are too many.
//!
//! Connections with a request under way, or with a stream of changes, are never closed for others.
//! Of the rest, the longest idle goes first: it is the least likely to be sending a request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::limits::ConnectionLimits;
use super::peer::Peer;
use crate::metrics::{Closing, ConnectionCounts};

/// How many of the longest idle connections one search finds. A search looks at all connections.
const FOUND_AT_ONCE: usize = 64;

/// How often the log may say that idle connections are closed, in milliseconds.
const LOGGED_AGAIN: u64 = 60_000;

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    /// A second handle on the socket, to shut it from outside.
    socket: Arc<TcpStream>,
    pub(super) activity: Arc<Activity>,
    /// Its address, if the number of connections of an address is limited.
    address: Option<IpAddr>,
    /// Whether it has been told to end.
    is_ending: bool,
}

impl Open {
    /// Shuts its socket. Shut for reading only, it still sends its answers.
    pub(super) fn shut(&self, how: Shutdown) {
        self.activity.note_shut();
        if how == Shutdown::Read {
            self.activity.close_for_reading();
        }
        // An error means that the connection has ended already.
        self.socket.shutdown(how).ok();
    }

    /// Returns since when it has been idle, if it may be closed to make room.
    fn idle_since(&self, now: u64, first_request: Duration) -> Option<u64> {
        let since = self.activity.progress_at();
        let is_new = !self.activity.has_asked()
            && u128::from(now.saturating_sub(since)) < first_request.as_millis();
        (self.activity.is_idle() && !self.is_ending && !is_new).then_some(since)
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct OpenConnections {
    limits: ConnectionLimits,
    counts: ConnectionCounts,
    open: HashMap<u64, Open>,
    next_id: u64,
    /// How many have been told to end and are still there.
    ending: usize,
    /// The connections of each address, if their number is limited.
    of_address: HashMap<IpAddr, Vec<u64>>,
    /// The longest idle connections that the last search found, and since when each was idle; the
    /// longest idle is last. One that is still idle precedes every connection that is not in here.
    longest_idle: Vec<(u64, u64)>,
    /// When the log last said that idle connections are closed.
    logged_at: Option<u64>,
}

impl OpenConnections {
    pub(super) fn new(limits: ConnectionLimits, counts: ConnectionCounts) -> Self {
        counts.set_capacity(limits.total);
        Self {
            limits,
            counts,
            open: HashMap::new(),
            next_id: 0,
            ending: 0,
            of_address: HashMap::new(),
            longest_idle: Vec::new(),
            logged_at: None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    /// Adds a new connection, and returns its number and the client at its other end.
    pub(super) fn add(
        &mut self,
        socket: TcpStream,
        activity: Arc<Activity>,
        now: u64,
    ) -> (u64, Peer) {
        let id = self.next_id;
        self.next_id += 1;
        let network_of = || socket.peer_addr().ok().map(|address| network(address.ip()));
        let address = self.limits.per_address.and_then(|_| network_of());
        let open = Open { socket: Arc::new(socket), activity, address, is_ending: false };
        let peer = Peer::at(&open.socket, &open.activity);
        self.open.insert(id, open);
        if let (Some(address), Some(limit)) = (address, self.limits.per_address) {
            self.of_address.entry(address).or_default().push(id);
            self.make_room_of(address, limit, now);
        }
        self.counts.set_open(self.open.len());
        (id, peer)
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&mut self, id: u64) {
        let Some(removed) = self.open.remove(&id) else { return };
        self.ending -= usize::from(removed.is_ending);
        if let Some(address) = removed.address
            && let Some(ids) = self.of_address.get_mut(&address)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.of_address.remove(&address);
            }
        }
        self.counts.set_open(self.open.len());
    }

    /// Closes as many idle connections as there are too many, and returns how many are still too
    /// many.
    pub(super) fn make_room(&mut self, now: u64) -> usize {
        let mut excess = (self.open.len() - self.ending).saturating_sub(self.limits.total);
        if excess > 0 && self.logged_at.is_none_or(|logged_at| now - logged_at >= LOGGED_AGAIN) {
            self.logged_at = Some(now);
            let ConnectionLimits { port, total, .. } = self.limits;
            log::warn!("All {total} connections of {port} are taken: idle ones are closed");
        }
        while excess > 0
            && let Some(id) = self.next_idle(now)
        {
            self.close(id, Closing::Full, Shutdown::Read);
            excess -= 1;
        }
        excess
    }

    /// Closes connections that have made no progress for this long, in milliseconds; see
    /// [`Activity::patience`].
    pub(super) fn close_stalled(&mut self, limit: u64, untaken: u64, now: u64) {
        let silent_for = |open: &Open| now.saturating_sub(open.activity.progress_at());
        let is_stalled =
            |open: &Open| silent_for(open) > open.activity.patience(limit, untaken, open.is_ending);
        let stalled: Vec<(u64, Closing)> = self
            .open
            .iter()
            .filter(|(_, open)| is_stalled(open))
            .map(|(id, open)| {
                (*id, if open.activity.is_idle() { Closing::Idle } else { Closing::Stalled })
            })
            .collect();
        for (id, reason) in stalled {
            self.close(id, reason, Shutdown::Both);
        }
    }

    /// Closes the longest idle connection of an address that has too many, or the newest if none is
    /// idle.
    fn make_room_of(&mut self, address: IpAddr, limit: usize, now: u64) {
        let Some(ids) = self.of_address.get(&address) else { return };
        let staying = || {
            let open = ids.iter().filter_map(|id| Some((*id, self.open.get(id)?)));
            open.filter(|(_, open)| !open.is_ending)
        };
        if staying().count() <= limit {
            return;
        }
        let first = self.limits.first_request;
        let idle = staying().filter_map(|(id, open)| Some((open.idle_since(now, first)?, id)));
        if let Some((_, id)) = idle.min() {
            self.close(id, Closing::Address, Shutdown::Read);
        } else if let Some(&newest) = ids.last() {
            self.close(newest, Closing::Address, Shutdown::Both);
        }
    }

    /// Returns the connection that has been idle longest.
    fn next_idle(&mut self, now: u64) -> Option<u64> {
        let first = self.limits.first_request;
        let is_as_found = |all: &Self, since, id| {
            all.open.get(&id).is_some_and(|open| open.idle_since(now, first) == Some(since))
        };
        while let Some((since, id)) = self.longest_idle.pop() {
            if is_as_found(self, since, id) {
                return Some(id);
            }
        }
        let idle = self.open.iter();
        let idle = idle.filter_map(|(id, open)| Some((open.idle_since(now, first)?, *id)));
        let mut found: Vec<(u64, u64)> = idle.collect();
        if found.len() > FOUND_AT_ONCE {
            found.select_nth_unstable(FOUND_AT_ONCE);
            found.truncate(FOUND_AT_ONCE);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        self.longest_idle = found;
        self.longest_idle.pop().map(|(_, id)| id)
    }

    fn close(&mut self, id: u64, reason: Closing, how: Shutdown) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.shut(how);
        if !open.is_ending {
            open.is_ending = true;
            self.ending += 1;
            self.counts.note_closing(reason);
        }
    }
}

/// Returns the address that a limit counts by. A client usually has all addresses of an IPv6 network
/// of 64 bits, so that network counts as one.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_gives_way_once_it_is_no_longer_new() {
        let limits = ConnectionLimits {
            port: "admin_listen",
            total: 1,
            per_address: None,
            first_request: Duration::from_secs(10),
            untaken: Duration::ZERO,
        };
        let mut all = OpenConnections::new(limits, ConnectionCounts::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let started = tokio::time::Instant::now();
        for _ in 0..2 {
            let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            all.add(socket, Arc::new(Activity::begin(started)), 0);
        }
        assert_eq!([5_000, 60_000].map(|now| all.make_room(now)), [1, 0]);
    }

    #[test]
    fn one_client_is_one_address() {
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|text| network(text.parse().unwrap()));
            assert_eq!(one == other, is_same, "{one} {other}");
        }
    }
}
