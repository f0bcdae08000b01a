//! A way to a server that a test can cut, close to all packets, stall, slow down and turn to another
//! server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// How many connections may wait until they are taken.
const BACKLOG: i32 = 128;
/// After how long a request to connect counts as dropped.
const NO_ANSWER: Duration = Duration::from_millis(200);

/// Passes connections on to a port on loopback, until it is cut; dropping it cuts it for good.
pub struct Relay {
    port: u16,
    listener: TcpListener,
    ways: Arc<Ways>,
}

struct Ways {
    state: Mutex<State>,
    /// Notified when a stalled connection may go on or is gone, and when connections are taken again.
    has_changed: Condvar,
}

struct State {
    to: u16,
    is_cut: bool,
    refused: usize,
    /// After how many that were refused it is cut no longer.
    mends_after: Option<usize>,
    /// What fills the queue of those that wait to be taken, while none is.
    fillers: Vec<TcpStream>,
    is_stalled: bool,
    /// How many bytes of answers pass until it stalls.
    stalls_after: Option<usize>,
    loses_answers: bool,
    delay: Duration,
    made: u64,
    /// Both ends of each connection, by its number.
    open: BTreeMap<u64, [TcpStream; 2]>,
}

impl Relay {
    /// Makes a way to a port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let state = State {
            to: port,
            is_cut: false,
            refused: 0,
            mends_after: None,
            fillers: Vec::new(),
            is_stalled: false,
            stalls_after: None,
            loses_answers: false,
            delay: Duration::ZERO,
            made: 0,
            open: BTreeMap::new(),
        };
        let ways = Arc::new(Ways { state: Mutex::new(state), has_changed: Condvar::new() });
        let (port, taking) = (listener.local_addr().unwrap().port(), listener.try_clone().unwrap());
        let relay = Self { port, listener, ways: Arc::clone(&ways) };
        thread::spawn(move || {
            for client in taking.incoming().map_while(Result::ok) {
                let is_closed = |state: &mut State| !state.fillers.is_empty();
                drop(ways.has_changed.wait_while(ways.state.lock().unwrap(), is_closed).unwrap());
                pass_on(client, &ways);
            }
        });
        relay
    }

    /// Returns the port of its beginning.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes new connections on to another port.
    pub fn turn_to(&self, port: u16) {
        self.change(|state| state.to = port);
    }

    /// Closes all connections; new ones are closed at once.
    pub fn cut(&self) {
        self.change(|state| state.is_cut = true);
        self.cut_where(|| true);
    }

    /// Closes all connections, and the next ones at once, as many as are given.
    pub fn cut_for(&self, count: usize) {
        self.change(|state| state.mends_after = Some(state.refused + count));
        self.cut();
        self.go_on();
    }

    /// Closes all connections, and takes and refuses no others, as a host that drops all packets.
    pub fn drop_packets(&self) {
        let connect = || {
            let address = (Ipv4Addr::LOCALHOST, self.port).into();
            TcpStream::connect_timeout(&address, NO_ANSWER)
        };
        // With one filler nothing is taken, and with more the system has no place for another.
        SockRef::from(&self.listener).listen(0).unwrap();
        while let Ok(filler) = connect() {
            self.change(|state| state.fillers.push(filler));
        }
        self.cut_where(|| true);
    }

    /// Takes connections again.
    pub fn take_packets(&self) {
        SockRef::from(&self.listener).listen(BACKLOG).unwrap();
        self.change(|state| state.fillers.clear());
    }

    /// Closes those connections of which this says so. Returns how many they were.
    pub fn cut_where(&self, mut is_chosen: impl FnMut() -> bool) -> usize {
        let mut count = 0;
        self.change(|state| {
            state.open.retain(|_, ends| {
                let closes = is_chosen();
                if closes {
                    close(ends);
                    count += 1;
                }
                !closes
            });
        });
        count
    }

    /// Returns how many connections were closed at once.
    pub fn refused(&self) -> usize {
        self.ways.state.lock().unwrap().refused
    }

    /// Returns how many connections were passed on.
    pub fn made(&self) -> u64 {
        self.ways.state.lock().unwrap().made
    }

    /// Passes new connections on again.
    pub fn mend(&self) {
        self.change(|state| state.is_cut = false);
    }

    /// Holds every byte back until [`Self::go_on`].
    pub fn stall(&self) {
        self.change(|state| state.is_stalled = true);
    }

    /// Stalls once so many bytes of answers have passed.
    pub fn stall_after(&self, bytes: usize) {
        self.change(|state| state.stalls_after = Some(bytes));
    }

    /// Passes on what was held back.
    pub fn go_on(&self) {
        self.change(|state| (state.is_stalled, state.stalls_after) = (false, None));
    }

    /// Drops what the server answers, or no longer does.
    pub fn lose_answers(&self, loses: bool) {
        self.change(|state| state.loses_answers = loses);
    }

    /// Holds each piece of a conversation back for this long.
    pub fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.ways.state.lock().unwrap());
        self.ways.has_changed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Ways {
    /// Waits until a piece of so many bytes may be passed on. Returns whether it is; `None` if its
    /// connection is gone.
    fn may_pass(&self, way: u64, is_answer: bool, bytes: usize) -> Option<bool> {
        let waits = |state: &mut State| state.is_stalled && state.open.contains_key(&way);
        let state = self.state.lock().unwrap();
        let delay = state.delay;
        drop(state);
        thread::sleep(delay);
        let mut state = self.state.lock().unwrap();
        if let Some(left) = state.stalls_after.filter(|_| is_answer) {
            state.stalls_after = Some(left.saturating_sub(bytes));
            state.is_stalled |= left < bytes;
        }
        let state = self.has_changed.wait_while(state, waits).unwrap();
        state.open.contains_key(&way).then_some(!(is_answer && state.loses_answers))
    }

    fn end(&self, way: u64) {
        let ends = self.state.lock().unwrap().open.remove(&way);
        ends.iter().for_each(close);
        self.has_changed.notify_all();
    }
}

fn close(ends: &[TcpStream; 2]) {
    for end in ends {
        end.shutdown(Shutdown::Both).ok();
    }
}

fn pass_on(client: TcpStream, ways: &Arc<Ways>) {
    let mut state = ways.state.lock().unwrap();
    if state.is_cut {
        state.refused += 1;
        state.is_cut = state.mends_after != Some(state.refused);
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, state.to)) else { return };
    state.made += 1;
    let way = state.made;
    for (from, to, is_answer) in [(&client, &server, false), (&server, &client, true)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        from.set_nodelay(true).unwrap();
        let ways = Arc::clone(ways);
        thread::spawn(move || {
            pump(from, to, |bytes| ways.may_pass(way, is_answer, bytes));
            ways.end(way);
        });
    }
    state.open.insert(way, [client, server]);
}

fn pump(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(usize) -> Option<bool>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        match may_pass(count) {
            Some(true) if to.write_all(&piece[..count]).is_ok() => {}
            Some(false) => {}
            Some(true) | None => return,
        }
    }
}
