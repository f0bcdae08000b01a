"""The latency of good clients under attack, and the memory of clients that read nothing."""

import argparse
import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import islice, permutations
from pathlib import Path
from urllib.parse import quote

from .attacks import CLIENTS, PATTERNS, TEXTS, ask, leave_at_once, many_files, pipeline, stay, thousands_of_files, under
from .past import flap
from .servers import TARGET, Ours
from .updates import fill, update

ENTRIES = 20_000
SECONDS = 20
PAIRS, DAYS, LONG_QUESTIONS = 12_000, 6, 50
JSON = {"Content-Type": "application/json"}


class Good:
    """A client that repeats one request, each time on a new connection."""

    def __init__(self, port: int, method: str, path: str, body: bytes | None = None):
        self.port, self.request = port, (method, path, body)
        self.times: list[float] = []
        self.failures = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        method, path, body = self.request
        while not self.done.wait(0.1):
            start = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
                connection.request(method, path, body, JSON if body else {})
                self.failures += connection.getresponse().status != 200
                connection.close()
            except OSError:
                self.failures += 1
            self.times.append(1000 * (time.monotonic() - start))

    def told(self, name: str) -> str:
        times = sorted(self.times)
        p50, p99 = (times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.99))
        return f"  {name}: {len(times)} requests, {self.failures} failed, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


@contextmanager
def beside(goods: dict[str, Good]):
    """Runs good clients during an attack, and prints their latencies."""
    for good in goods.values():
        good.thread.start()
    yield
    for good in goods.values():
        good.done.set()
        good.thread.join()
    for name, good in goods.items():
        print(good.told(name), flush=True)


def seconds_until_idle(server: Ours) -> float:
    """Waits until the server uses at most a tenth of a core for half a second."""
    start = time.monotonic()
    while time.monotonic() - start < 60:
        before = server.cpu_seconds()
        time.sleep(0.5)
        if server.cpu_seconds() - before <= 0.05:
            return time.monotonic() - start - 0.5
    return float("inf")


def questions(binary: Path):
    attacks: list[tuple[str, str, Callable | None]] = [
        ("nobody else", "", None),
        (f"100 texts of {CLIENTS} clients a second that leave at once", TEXTS, leave_at_once),
        (f"100 patterns of {CLIENTS} clients a second that leave at once", PATTERNS, leave_at_once),
        (f"100 patterns of {CLIENTS} clients that stay", PATTERNS, stay),
    ]
    with Ours(binary=binary) as server:
        fill(server.port, range(ENTRIES), body=many_files)
        for name, path, attack in attacks:
            print(f"{ENTRIES} entries of 20 files, beside {name}:", flush=True)
            goods = {
                "POST": Good(server.port, "POST", "/api/status", update(1)),
                "/livez": Good(server.port, "GET", "/livez"),
            }
            with beside(goods):
                with under(*([(attack, (server.port, path))] if attack else [])):
                    time.sleep(SECONDS)
            print(f"  idle after {seconds_until_idle(server):.1f} s", flush=True)


def history(binary: Path):
    with Ours(keeps_history=True, binary=binary) as server:
        fill(server.port, range(PAIRS))
        server.stop()
        flap(server.folder / "status.db", DAYS)
        server.start()
        report = json.loads(update(7))
        pair = f"repo={quote(report['repo'])}&server={quote(report['server'])}"
        print(f"{PAIRS} pairs, {PAIRS * DAYS * 24} transitions, beside {LONG_QUESTIONS} long questions at once:", flush=True)
        goods = {
            "a good question": Good(server.port, "GET", f"/api/history?{pair}&limit=5"),
            "POST": Good(server.port, "POST", "/api/status", update(1)),
        }
        with beside(goods):
            with under((stay, (server.port, "/api/history?q=nosuchthing", LONG_QUESTIONS))):
                time.sleep(SECONDS)
        print(f"  idle after {seconds_until_idle(server):.1f} s", flush=True)


def silent_readers(binary: Path):
    """The memory of clients that read nothing of an answer of 280 MB. Each requests a different answer."""
    with Ours(binary=binary) as server:
        fill(server.port, range(300), connections=4, at_once=1, body=thousands_of_files)
        before = server.resident_bytes()
        columns = ["repo", "server", "sync_status", "files", "last_check"]
        for coding in ("identity", "gzip", "br"):
            orders = [",".join(order) for order in islice(permutations(columns), 12)]
            headers = f"Accept-Encoding: {coding}\r\n"
            readers = [ask(server.port, f"/status.csv?fields={order}", headers) for order in orders]
            # Once the first bytes arrive, the beginning of the answer has been rendered.
            for reader in readers:
                reader.recv(15)
            grown = (server.resident_bytes() - before) / 2**20
            print(f"{len(readers)} clients that read nothing ({coding}): {grown:.0f} MiB", flush=True)
            for reader in readers:
                reader.close()


def pipelines(binary: Path):
    """Clients that send many requests at once and read nothing."""
    clients = 60
    with Ours(binary=binary) as server:
        before = server.resident_bytes()
        print(f"beside {clients} clients that send 4,000 requests at once and read nothing:", flush=True)
        goods = {
            "POST": Good(server.port, "POST", "/api/status", update(1)),
            "/livez": Good(server.port, "GET", "/livez"),
        }
        with beside(goods):
            with under((pipeline, (server.port, "/a", clients))):
                time.sleep(SECONDS)
                grown = (server.resident_bytes() - before) / 2**10 / clients
        print(f"  {grown:.0f} KiB a client, idle after {seconds_until_idle(server):.1f} s", flush=True)


PARTS = {"questions": questions, "history": history, "readers": silent_readers, "pipelines": pipelines}


def main():
    parser = argparse.ArgumentParser(prog="bench/hostile", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument("--binary", type=Path, default=TARGET / "release" / "gitops-status-server", help="another build")
    arguments = parser.parse_args()
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            part(arguments.binary)


if __name__ == "__main__":
    main()
