//! The places of open connections, and who gives way where there are too many.
//!
//! Requests under way and streams of changes keep their places. Of the others, the one that has
//! been idle longest goes first: it is the least likely to send a request just then.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::Arc;

use super::caller::Caller;
use super::connections::Activity;
use crate::metrics::{Closing, ConnectionCounts};

/// How long a new connection may take to send its first request before it may have to give way, in
/// milliseconds.
const FIRST_REQUEST: u64 = 1000;

/// How many connections that may give way are found at once: to find them, all are asked.
const FOUND_AT_ONCE: usize = 64;

/// How often the log says that connections have to give way, in milliseconds.
const SAID_AGAIN: u64 = 60_000;

/// One in how many connections may come in before another has left.
const OVERLAP: usize = 16;

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Of all addresses.
    pub total: usize,
    /// Of one address, or of one IPv6 network of 64 bits; `None` is any number.
    pub per_address: Option<usize>,
}

impl ConnectionLimits {
    /// Returns how many connections there are at once, with those that come in before others have
    /// left.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.total + (self.total / OVERLAP).max(1)
    }

    /// Returns the total that has at most this many at once, but at least one.
    #[must_use]
    pub fn total_within(at_once: usize) -> usize {
        (at_once - at_once.div_ceil(OVERLAP + 1)).max(1)
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    /// A second handle on the socket, to shut it from outside.
    socket: Arc<TcpStream>,
    pub(super) activity: Arc<Activity>,
    /// Where it comes from, if that matters.
    address: Option<IpAddr>,
    /// Whether it has been told to end.
    is_ending: bool,
}

impl Open {
    /// Shuts its socket from outside. Shut for reading, it still sends what it has to send.
    pub(super) fn shut(&self, how: Shutdown) {
        if how == Shutdown::Read {
            self.activity.close_for_reading();
        }
        // It may be gone already, which is as good.
        self.socket.shutdown(how).ok();
    }

    /// Returns since when it has been idle, if it may have to give way.
    fn idle_since(&self, now: u64) -> Option<u64> {
        let since = self.activity.progress_at();
        let is_new = !self.activity.has_asked() && now.saturating_sub(since) < FIRST_REQUEST;
        (self.activity.is_idle() && !self.is_ending && !is_new).then_some(since)
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Places {
    limits: ConnectionLimits,
    counts: ConnectionCounts,
    open: HashMap<u64, Open>,
    next_id: u64,
    /// How many have been told to end and are still there.
    ending: usize,
    /// The connections of each address, if their number is limited.
    of_address: HashMap<IpAddr, Vec<u64>>,
    /// Those that have been idle longest when they were last looked for, and since when; the
    /// longest last. A connection that stays idle stays ahead of all that are not in here.
    longest_idle: Vec<(u64, u64)>,
    /// When the log said last that connections have to give way.
    said_at: Option<u64>,
}

impl Places {
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
            said_at: None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    /// Gives a new connection a place, and returns its number.
    pub(super) fn enter(&mut self, socket: TcpStream, activity: Arc<Activity>, now: u64) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let peer = || socket.peer_addr().ok().map(|address| network(address.ip()));
        let address = self.limits.per_address.and_then(|_| peer());
        let open = Open { socket: Arc::new(socket), activity, address, is_ending: false };
        self.open.insert(id, open);
        if let (Some(address), Some(limit)) = (address, self.limits.per_address) {
            self.of_address.entry(address).or_default().push(id);
            self.make_room_of(address, limit, now);
        }
        self.counts.set_open(self.open.len());
        id
    }

    /// Returns who is at the other end of a connection.
    pub(super) fn caller(&self, id: u64) -> Option<Caller> {
        self.open.get(&id).map(|open| Caller::at(&open.socket, &open.activity))
    }

    /// Takes note that a connection is no more.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(gone) = self.open.remove(&id) else { return };
        self.ending -= usize::from(gone.is_ending);
        if let Some(address) = gone.address
            && let Some(ids) = self.of_address.get_mut(&address)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.of_address.remove(&address);
            }
        }
        self.counts.set_open(self.open.len());
    }

    /// Tells as many idle connections to end as there are too many; returns how many are too many
    /// still.
    pub(super) fn make_room(&mut self, now: u64) -> usize {
        let mut excess = (self.open.len() - self.ending).saturating_sub(self.limits.total);
        if excess > 0 && self.said_at.is_none_or(|said_at| now - said_at >= SAID_AGAIN) {
            self.said_at = Some(now);
            log::warn!("All {} connections are taken: idle ones are closed", self.limits.total);
        }
        while excess > 0
            && let Some(id) = self.next_idle(now)
        {
            self.tell_to_end(id, Closing::Full, Shutdown::Read);
            excess -= 1;
        }
        excess
    }

    /// Ends connections that have made no progress for this long, in milliseconds; see
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
            self.tell_to_end(id, reason, Shutdown::Both);
        }
    }

    /// Ends the connection of an address that has been idle longest if it has too many, or else
    /// the newest.
    fn make_room_of(&mut self, address: IpAddr, limit: usize, now: u64) {
        let Some(ids) = self.of_address.get(&address) else { return };
        let staying = || {
            let open = ids.iter().filter_map(|id| Some((*id, self.open.get(id)?)));
            open.filter(|(_, open)| !open.is_ending)
        };
        if staying().count() <= limit {
            return;
        }
        let idle = staying().filter_map(|(id, open)| Some((open.idle_since(now)?, id)));
        if let Some((_, id)) = idle.min() {
            self.tell_to_end(id, Closing::Address, Shutdown::Read);
        } else if let Some(&newest) = ids.last() {
            self.tell_to_end(newest, Closing::Address, Shutdown::Both);
        }
    }

    /// Returns who has been idle longest.
    fn next_idle(&mut self, now: u64) -> Option<u64> {
        let is_as_found = |places: &Self, since, id| {
            places.open.get(&id).is_some_and(|open| open.idle_since(now) == Some(since))
        };
        while let Some((since, id)) = self.longest_idle.pop() {
            if is_as_found(self, since, id) {
                return Some(id);
            }
        }
        let idle = self.open.iter().filter_map(|(id, open)| Some((open.idle_since(now)?, *id)));
        let mut found: Vec<(u64, u64)> = idle.collect();
        if found.len() > FOUND_AT_ONCE {
            found.select_nth_unstable(FOUND_AT_ONCE);
            found.truncate(FOUND_AT_ONCE);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        self.longest_idle = found;
        self.longest_idle.pop().map(|(_, id)| id)
    }

    fn tell_to_end(&mut self, id: u64, reason: Closing, how: Shutdown) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.shut(how);
        if !open.is_ending {
            open.is_ending = true;
            self.ending += 1;
            self.counts.note_closing(reason);
        }
    }
}

/// Returns what counts as one address: one client has all addresses of an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
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
    fn connections_that_come_in_while_others_leave_are_within_what_there_is() {
        for at_once in 2..10_000 {
            let total = ConnectionLimits::total_within(at_once);
            let limits = ConnectionLimits { total, per_address: None };
            assert!(limits.most_at_once() > total && limits.most_at_once() <= at_once);
            assert!(limits.most_at_once() + 2 > at_once, "{at_once}");
        }
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
