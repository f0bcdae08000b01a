"""How fast probes and scrapes are answered while the main port is under attack: on the port of
admin_listen, and on the main port beside it."""

import argparse
import http.client
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import document, machine, table
from .attacks import (
    BODY, CLIENTS, LIVEZ, PATTERNS, TEXTS, Attack, change, keep, leave_at_once, listen, many_files, pipeline, read_nothing,
    reconnect, stay, thousands_of_files, under,
)  # fmt: skip
from .past import flap
from .servers import ROOT, TARGET, WORK, Ours
from .updates import fill

ENTRIES, PAIRS, DAYS, LONG_ENTRIES = 20_000, 12_000, 6, 300
A_SECOND = 5  # probes of each kind
SECONDS = 40  # of each attack
PATIENCE = 15  # seconds
GOAL = 100.0  # milliseconds


class Prober:
    """Asks for one path five times a second, each time on a new connection."""

    def __init__(self, port: int, path: str):
        self.port, self.path = port, path
        self.times: list[float] = []
        self.failures = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        due = time.monotonic()
        while not self.done.wait(max(0, due - time.monotonic())):
            start = time.monotonic()
            due = max(due + 1 / A_SECOND, start)
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                connection.request("GET", self.path)
                answer = connection.getresponse()
                while answer.read(1 << 20):
                    pass
                self.failures += answer.status != 200
                connection.close()
            except (OSError, http.client.HTTPException):
                self.failures += 1
            self.times.append(1000 * (time.monotonic() - start))

    def share(self, share: float) -> float:
        times = sorted(self.times)
        return times[min(len(times) - 1, int(len(times) * share))]

    def told(self) -> str:
        figures = " / ".join(f"{value:.3g}" if value < 100 else f"{value:,.0f}" for value in map(self.share, (0.5, 0.99, 1)))
        return figures + (f", {self.failures} of {len(self.times)} failed" if self.failures else "")


def measure(server: Ours, attacks: list[Attack], seconds: float) -> list[Prober]:
    """Probes both ports during some attacks."""
    ports = (server.admin_port, server.port)
    probers = [Prober(port, path) for port in ports for path in ("/livez", "/metrics")]
    with under(*attacks):
        # The attack has to begin, and the connections of the one before have to end.
        time.sleep(2)
        for prober in probers:
            prober.thread.start()
        time.sleep(seconds)
        for prober in probers:
            prober.done.set()
        for prober in probers:
            prober.thread.join()
    return probers


@contextmanager
def filled(binary: Path) -> Iterator[Ours]:
    with Ours(binary=binary, with_admin_port=True) as server:
        fill(server.port, range(ENTRIES), body=many_files)
        yield server


@contextmanager
def filled_with_long(binary: Path) -> Iterator[Ours]:
    with Ours(binary=binary, with_admin_port=True) as server:
        fill(server.port, range(LONG_ENTRIES), connections=4, at_once=1, body=thousands_of_files)
        yield server


@contextmanager
def with_a_past(binary: Path) -> Iterator[Ours]:
    with Ours(keeps_history=True, binary=binary, with_admin_port=True) as server:
        fill(server.port, range(PAIRS))
        server.stop()
        flap(server.folder / "status.db", DAYS)
        server.start()
        yield server


def attacks_on_entries(port: int) -> dict[str, list[Attack]]:
    half = LIVEZ + b"GET /livez HTTP/1.1\r\nX: "
    return {
        "nobody else": [],
        "4,200 connections with a `GET /livez` each 8 s": [(keep, (port, 4200, LIVEZ, LIVEZ, 8))],
        f"{CLIENTS} clients a second that search for 100 texts (`q`) and leave": [(leave_at_once, (port, TEXTS))],
        f"{CLIENTS} clients a second that search by 100 patterns and leave": [(leave_at_once, (port, PATTERNS))],
        f"{CLIENTS} clients with those patterns that stay and ask again": [(stay, (port, PATTERNS))],
        f"{CLIENTS} clients that scrape the main port again and again": [(stay, (port, "/metrics"))],
        "2,000 clients that drip a head": [(keep, (port, 2000, half[len(LIVEZ):], b"x", 2))],
        "2,000 clients that drip a body": [(keep, (port, 2000, BODY, b" ", 2))],
        "2,000 clients that drip a second head": [(keep, (port, 2000, half, b"x", 2))],
        "1,500 streams of changes, and updates of all entries": [(listen, (port, 1500, True)), (change, (port, ENTRIES))],
        "1,500 streams that are not read, and those updates": [(listen, (port, 1500, False)), (change, (port, ENTRIES))],
        "60 clients that send 4,000 requests at once and read nothing": [(pipeline, (port, "/a", 60))],
        "streams that reconnect as fast as they can": [(reconnect, (port,)), (reconnect, (port,))],
    }  # fmt: skip


def attacks_on_long_entries(port: int) -> dict[str, list[Attack]]:
    return {
        "nobody else, 300 entries of 9,000 names": [],
        "12 clients that read nothing of those 280 MB": [(read_nothing, (port, 12))],
        "120 such clients": [(read_nothing, (port, 120))],
    }


def attacks_on_the_past(port: int) -> dict[str, list[Attack]]:
    path = "/api/history?q=nosuchthing"
    return {f"100 searches at once in {PAIRS * DAYS * 24:,} transitions": [(stay, (port, path, 100))]}


PARTS = {
    "entries": (filled, attacks_on_entries),
    "long": (filled_with_long, attacks_on_long_entries),
    "history": (with_a_past, attacks_on_the_past),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/probes", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument("--match", default="", help="only attacks whose name has this text")
    parser.add_argument("--seconds", type=float, help="of each attack")
    parser.add_argument("--binary", type=Path, default=TARGET / "release" / "gitops-status-server", help="another build")
    arguments = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    body = []
    for name, (state, attacks) in PARTS.items():
        if arguments.only not in (None, name):
            continue
        with state(arguments.binary.resolve()) as server:
            for attack, processes in attacks(server.port).items():
                if arguments.match in attack:
                    probers = measure(server, processes, arguments.seconds or SECONDS)
                    kept = all(each.share(0.99) <= GOAL and not each.failures for each in probers[:2])
                    body.append([attack, *(prober.told() for prober in probers), "yes" if kept else "**no**"])
                    print(body[-1], flush=True)
    header = ["attack", "`/livez`", "`/metrics`", "`/livez` of the main port", "`/metrics` of the main port", "kept"]
    text = table.markdown(header, body)
    print(text)
    if not (arguments.only or arguments.match or arguments.seconds):
        about = "".join(f"- {line}\n" for line in machine.describe(WORK))
        document.replace(ROOT / "docs" / "performance.md", {"probes": about + "\n" + text})


if __name__ == "__main__":
    main()
