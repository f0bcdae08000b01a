//! A way to a server that a test can cut and mend.

use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on to a port on loopback, until it is cut; dropping it cuts it for good.
pub struct Relay {
    port: u16,
    ways: Arc<Mutex<Ways>>,
}

#[derive(Default)]
struct Ways {
    is_cut: bool,
    refused: usize,
    open: Vec<TcpStream>,
}

impl Relay {
    /// Makes a way to a port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Self { port: listener.local_addr().unwrap().port(), ways: Arc::default() };
        let ways = Arc::clone(&relay.ways);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                pass_on(client, port, &ways);
            }
        });
        relay
    }

    /// Returns the port of its beginning.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections; new ones are closed at once.
    pub fn cut(&self) {
        let mut ways = self.ways.lock().unwrap();
        ways.is_cut = true;
        for stream in ways.open.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Returns how many connections were closed at once.
    pub fn refused(&self) -> usize {
        self.ways.lock().unwrap().refused
    }

    /// Passes new connections on again.
    pub fn mend(&self) {
        self.ways.lock().unwrap().is_cut = false;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

fn pass_on(client: TcpStream, port: u16, ways: &Mutex<Ways>) {
    let mut ways = ways.lock().unwrap();
    if ways.is_cut {
        ways.refused += 1;
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        from.set_nodelay(true).unwrap();
        thread::spawn(move || {
            copy(&mut from, &mut to).ok();
            to.shutdown(Shutdown::Both).ok();
        });
    }
    ways.open.extend([client, server]);
}
