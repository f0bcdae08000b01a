"""The updates that fill a server before a measurement; those of post.lua are alike."""

import re
import socket
from collections.abc import Callable
from itertools import islice

from . import secure

CONNECTIONS = 256
AT_ONCE = 8


def update(key: int, members: str = "") -> bytes:
    """The body of one key's update. Every fourth server has drifted, in two files."""
    repo, server = key % 50, key // 50
    drift = 2 if key % 4 == 0 else 0
    files = ",".join(f'{{"name":"conf.d/{file:02}-site-{repo:02}.conf"}}' for file in (1, 2)[:drift])
    status = "OUT_OF_SYNC" if drift else "SYNCED"
    return (
        f'{{"repo":"repo-{repo:02}","server":"server-{server:05}.example.net",'
        f'"sync_status":"{status}","drift_count":{drift},"files":[{files}],'
        f'"last_check":"2026-04-21T10:32:14Z"{members}}}'
    ).encode()


def fill(
    port: int, keys: range, members: str = "", connections: int = CONNECTIONS, at_once: int = AT_ONCE,
    body: Callable[[int], bytes] | None = None, token: str = "", scheme: str = "http",
) -> None:  # fmt: skip
    """Posts each key once, pipelined over many connections for speed."""
    bearer = f"Authorization: Bearer {token}\r\n".encode() if token else b""
    head = b"POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + bearer
    head += b"Content-Length: "
    sockets = [connect(port, scheme) for _ in range(min(connections, len(keys)))]
    rest = iter(keys)
    done = False
    while not done:
        sent = []
        for connection in sockets:
            bodies = [body(key) if body else update(key, members) for key in islice(rest, at_once)]
            if not bodies:
                done = True
                break
            connection.sendall(b"".join(b"%s%d\r\n\r\n%s" % (head, len(body), body) for body in bodies))
            sent.append((connection, len(bodies)))
        for connection, count in sent:
            expect_ok(connection, count)
    for connection in sockets:
        connection.close()


def connect(port: int, scheme: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    return secure.CONTEXT.wrap_socket(connection) if scheme == "https" else connection


def expect_ok(connection: socket.socket, count: int) -> None:
    """Reads that many answers; anything but 200 is an error."""
    received = b""
    while received.count(b"Status updated successfully") < count:
        piece = connection.recv(65536)
        received += piece
        if not piece or re.search(rb"HTTP/1.1 (?!200)\d\d\d", received):
            raise RuntimeError(f"a server refuses updates: {received[-500:]!r}")
