"""Attacks on the main port. Each runs in a process of its own until that is killed, at the latest after a
few minutes."""

import json
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import cycle, islice, permutations

from .updates import fill, update

LONGEST = 300  # seconds
CLIENTS = 200
# 100 texts that nearly match every name.
TEXTS = "/status.json?" + "&".join(f"q={'a' * 39}b{number:02}" for number in range(100))
PATTERNS = "/status.json?file=" + ",".join(f"*a*a*a*a*a*a*a*a*a*b{number:02}" for number in range(100))
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b"POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"

Attack = tuple[Callable, tuple]


@contextmanager
def under(*attacks: Attack):
    """Attacks while the block runs, each attack in another process, so that it does not slow this one."""
    processes = [multiprocessing.Process(target=begin, args=attack, daemon=True) for attack in attacks]
    for process in processes:
        process.start()
    try:
        yield
        if not all(process.is_alive() for process in processes):
            raise RuntimeError("an attack has ended by itself, so the figures mean nothing")
    finally:
        for process in processes:
            process.kill()
            process.join()


def begin(attack: Callable, arguments: tuple):
    # It ends also if the process that started it is killed.
    signal.alarm(LONGEST)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    while True:
        try:
            return attack(*arguments)
        except (OSError, RuntimeError):
            # The server has no room, and closes connections: the attack begins anew.
            time.sleep(0.1)


def ask(port: int, path: str, headers: str = "") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=15)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
    return connection


def leave_at_once(port: int, path: str):
    """Many clients send a request and close the connection, once a second."""
    while True:
        for connection in [ask(port, path) for _ in range(CLIENTS)]:
            connection.close()
        time.sleep(1)


def stay(port: int, path: str, count: int = CLIENTS):
    """Many clients send a request, wait for the answer, and repeat."""

    def client():
        while True:
            try:
                with ask(port, path) as connection:
                    connection.recv(4096)
            except OSError:
                pass

    for _ in range(count):
        threading.Thread(target=client).start()


class Slow:
    """A client that keeps a connection: it begins with some bytes and sends some more every now and then.
    It connects again if the server has closed the connection."""

    def __init__(self, port: int, start: bytes):
        self.port, self.start, self.connection = port, start, None

    def go_on(self, more: bytes):
        try:
            if self.connection is None:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=1)
                self.connection.sendall(self.start)
                self.connection.setblocking(False)
                return
            self.connection.send(more)
            while received := self.connection.recv(65536):
                pass
            if received == b"":
                self.connection = None
        except BlockingIOError:
            pass
        except OSError:
            self.connection = None


def keep(port: int, count: int, start: bytes, more: bytes, seconds: float):
    """Many slow clients, each of which sends some bytes every so many seconds."""
    pause = seconds / count
    due = time.monotonic()
    for client in cycle([Slow(port, start) for _ in range(count)]):
        client.go_on(more)
        due += pause
        # It does not catch up on what the server has delayed by more than a second.
        due = max(due, time.monotonic() - 1)
        time.sleep(max(0, due - time.monotonic()))


def listen(port: int, count: int, reads: bool):
    """Many streams of changes, which are read or not."""
    streams = [ask(port, "/api/events") for _ in range(count)]
    for stream in streams:
        stream.setblocking(False)
    while True:
        for stream in streams if reads else ():
            try:
                stream.recv(65536)
            except OSError:
                pass
        time.sleep(0.2)


def change(port: int, keys: int):
    """Changes every entry again and again, as fast as the server stores it."""

    def body(turn: int) -> Callable[[int], bytes]:
        def changed(key: int) -> bytes:
            report = json.loads(update(key))
            report["drift_count"] = turn
            return json.dumps(report).encode()

        return changed

    turn = 0
    while True:
        turn += 1
        fill(port, range(keys), connections=16, body=body(turn))


def reconnect(port: int):
    """Streams of changes that resume after unknown events and leave at once, as fast as they can."""
    while True:
        try:
            connection = ask(port, "/api/events", f"Last-Event-ID: {os.urandom(8).hex()}-{os.urandom(1)[0]}\r\n")
            connection.recv(64)
            connection.close()
        except OSError:
            pass


def read_nothing(port: int, count: int, headers: str = "", seconds: float = 3):
    """Clients that ask for long answers, up to 120 different ones, and read nothing. They ask again after
    some seconds."""
    columns = ["repo", "server", "sync_status", "files", "last_check"]
    while True:
        orders = [",".join(order) for order in islice(cycle(permutations(columns)), count)]
        readers = [ask(port, f"/status.csv?fields={order}", headers) for order in orders]
        time.sleep(seconds)
        for reader in readers:
            reader.close()


def read_all(port: int, paths: tuple[str, ...], count: int):
    """Clients that ask for each path again and again, in each coding, and read all of the answers."""

    def client(path: str):
        for coding in cycle(("identity", "gzip", "br")):
            try:
                with ask(port, path, f"Connection: close\r\nAccept-Encoding: {coding}\r\n") as connection:
                    while connection.recv(1 << 20):
                        pass
            except OSError:
                pass

    for path in paths * count:
        threading.Thread(target=client, args=(path,)).start()


def leave_unfinished(port: int, count: int, size: int = 1 << 20):
    """Clients that send bodies without their last byte, as large as one may be, again and again."""
    body = BODY.replace(b"100000", b"%d" % size) + b"x" * (size - 1)

    def client():
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
                    connection.sendall(body)
                    connection.recv(4096)
            except OSError:
                pass

    for _ in range(count):
        threading.Thread(target=client).start()


def pipeline(port: int, path: str, count: int, requests: int = 4000):
    """Many clients send many requests in one go, and read nothing. They begin again every three seconds."""
    while True:
        sent = [Slow(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * requests) for _ in range(count)]
        for client in sent:
            client.go_on(b"")
        time.sleep(3)
        for client in sent:
            if client.connection:
                client.connection.close()


def many_files(key: int) -> bytes:
    """An update with 20 names that nearly match."""
    report = json.loads(update(key))
    report["files"] = [{"name": f"{'a' * 39}{file:02}"} for file in range(20)]
    report["sync_status"], report["drift_count"] = "OUT_OF_SYNC", 20
    return json.dumps(report).encode()


def thousands_of_files(key: int) -> bytes:
    """An update of nearly a megabyte."""
    report = json.loads(update(key))
    report["files"] = [{"name": f"{key:03}-{file:04}{'x' * 90}"} for file in range(9000)]
    report["sync_status"], report["drift_count"] = "OUT_OF_SYNC", 9000
    return json.dumps(report, separators=(",", ":")).encode()

