//! How handshakes end that do not end well, as the metrics and the log tell it.

use std::net::TcpStream;

use super::{HALF_A_HANDSHAKE, LIVEZ, handshakes, is_closed, sending, start};
use crate::support::{Connection, Pair, wait_until};

#[test]
fn a_handshake_that_the_server_ends_is_not_put_down_to_its_client() {
    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &["--idle-timeout", "1s"]);
    let mut held = [sending(&server, HALF_A_HANDSHAKE), sending(&server, b"")];
    wait_until("both are counted", || handshakes(&server, "shut") >= 2.0);
    wait_until("both are closed", || held.iter_mut().all(is_closed));
    assert!(handshakes(&server, "closed") < 0.5);
    assert!(!server.log().contains("handshake"), "{}", server.log());
}

#[test]
fn who_speaks_tls_to_admin_listen_is_not_told_to_set_a_certificate() {
    use std::io::Write as _;

    let pair = Pair::signed_by_itself("127.0.0.1");
    let (_folder, server) = start(&pair.arguments(), &["--admin-listen", "127.0.0.1:0"]);
    let socket = TcpStream::connect(server.admin().address).unwrap();
    assert!(Connection::over(socket, true).write_all(LIVEZ).is_err());
    let line = "127.0.0.1 speaks TLS, and this port plain HTTP: use http://, since admin_listen \
                never speaks TLS";
    wait_until("the log says so", || server.log().contains(line));
    assert!(!server.log().contains("or set tls_cert"), "{}", server.log());
}
