//! Clients that begin handshakes as fast as they can and abandon them, and good clients beside them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{LIVEZ, start};
use crate::support::{Connection, Pair, Process, Reply, run_tool};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How long a good client waits for each piece of its answer. The server takes several times as long
/// for the signatures that the attacker asks for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many handshakes the attacker begins before a good client comes.
const FLOOD: usize = 3000;

/// Returns a certificate whose signatures cost the server several milliseconds each.
fn expensive_pair() -> Pair {
    let bits = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"];
    let key = run_tool("openssl", "openssl", &[&["genpkey", "-quiet"][..], &bits].concat(), "");
    Pair::of_key("127.0.0.1", &key)
}

/// Returns the first message of a client, whole.
fn client_hello() -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client =
        Connection::over(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), true);
    let (mut server, _) = listener.accept().unwrap();
    client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    client.write_all(LIVEZ).expect_err("nobody answers");
    drop(client);
    let mut hello = Vec::new();
    server.read_to_end(&mut hello).unwrap();
    hello
}

/// Begins a handshake as the attacker.
fn begun(server: &Process, hello: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ATTACKER, 0)).into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.write_all(hello).unwrap();
    socket
}

/// Has one request of a good client answered.
fn good_client(server: &Process) {
    let socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Connection::over(socket, true);
    client.write_all(LIVEZ).expect("the handshake is over in time");
    assert_eq!(Reply::read(&mut client).expect("the answer comes in time").status, 200);
}

#[test]
fn a_flood_of_abandoned_handshakes_does_not_keep_others_out() {
    let pair = expensive_pair();
    let (_folder, server) = start(&pair.arguments(), &["--workers", "1"]);
    let hello = client_hello();
    for _ in 0..3 {
        for number in 0..FLOOD {
            let socket = Socket::from(begun(&server, &hello));
            if number % 2 == 0 {
                // Closing resets the connection.
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        good_client(&server);
    }
}

#[test]
fn a_flood_of_handshakes_that_wait_for_their_answer_does_not_keep_other_networks_out() {
    let pair = expensive_pair();
    let (_folder, server) = start(&pair.arguments(), &["--workers", "1"]);
    let hello = client_hello();
    let held: Vec<TcpStream> = (0..FLOOD).map(|_| begun(&server, &hello)).collect();
    for _ in 0..3 {
        good_client(&server);
    }
    drop(held);
}
