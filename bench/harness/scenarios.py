"""The measurements. Each function is one part of a round, and names its figures.

A figure is named `work/server`. That is a rate; the suffixes `:p50`, `:p99` and `:max` are latencies (ms), and
`:cpu` is the server's CPU time per request (µs).
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import load, machine, past, secure
from .load import Load
from .samples import Samples
from .servers import TOKEN, WORK, BareLog, Flask, Go, Nginx, Ours, OursWithTls, OursWithTokens, Pushgateway, Server
from .updates import fill

GZIP = {"Accept-Encoding": "gzip"}
READERS = 16

# Makes a server that is not started yet.
Kind = Callable[[], Server]


@dataclass
class Plan:
    """The sizes of a run; `--quick` makes all of them smaller."""

    rounds: int = 5
    seconds: int = 1
    sizes: tuple[int, ...] = (100, 2000, 20000)
    many: int = 1_000_000
    expiring: int = 100_000
    days: int = 90
    away: int = 60
    with_others: bool = True


@dataclass
class Round:
    """One round: its number, the plan, and where its figures go."""

    number: int
    plan: Plan
    samples: Samples

    def add(self, name: str, value: float) -> None:
        self.samples.add(name, self.number, value)

    def turn(self, servers: Sequence) -> list:
        """Returns the servers in another order each round, so that none is always first."""
        start = self.number % len(servers)
        return [*servers[start:], *servers[:start]]

    def note_disk(self) -> None:
        self.samples.sync_rates[self.number].append(machine.sync_rate(WORK))

    def take(self, name: str, server: Server, run) -> Load:
        """Runs a load, and keeps its rate, its latencies and its CPU time on the server."""
        before = server.cpu_seconds()
        result = run().result()
        used = server.cpu_seconds() - before
        self.add(f"{name}/{server.name}", result.rate)
        self.add(f"{name}/{server.name}:p50", result.p50)
        self.add(f"{name}/{server.name}:p99", result.p99)
        self.add(f"{name}/{server.name}:max", result.max)
        self.add(f"{name}/{server.name}:cpu", used / result.requests * 1e6)
        return result


def posting(a_round: Round) -> None:
    """Updates of this program and of other servers."""
    updates(a_round, [Ours, Go, BareLog])
    if a_round.plan.with_others:
        others(a_round)


def updates(a_round: Round, kinds: list[Kind]) -> None:
    """Updates of 2,000 and of 20,000 keys, with few and many connections."""
    seconds = a_round.plan.seconds
    for kind in a_round.turn(kinds):
        a_round.note_disk()
        with kind() as server:
            fill(server.port, range(2000))
            for connections in (1, 16, 64, 256):
                name = f"post/times/2000/{connections}"
                a_round.take(name, server, lambda c=connections: load.post(server.port, c, 2000, "times", seconds))
            name = "post/changes/2000/64"
            a_round.take(name, server, lambda: load.post(server.port, 64, 2000, "changes", seconds))
            fill(server.port, range(2000, 20000))
            for connections in (64, 256):
                name = f"post/times/20000/{connections}"
                a_round.take(name, server, lambda c=connections: load.post(server.port, c, 20000, "times", seconds))


def tokens(a_round: Round) -> None:
    """Updates with a token, and the same updates of a server without tokens."""
    seconds = 2 * a_round.plan.seconds
    for kind, token in a_round.turn([(Ours, ""), (OursWithTokens, TOKEN)]):
        a_round.note_disk()
        with kind() as server:
            fill(server.port, range(2000), token=token)
            for connections in (1, 64, 256):
                a_round.take(f"tokens/{connections}", server, lambda c=connections: load.post(
                    server.port, c, 2000, "times", seconds, token=token))  # fmt: skip


def tls(a_round: Round) -> None:
    """Updates and lists over TLS and without it, on connections that stay open, and handshakes."""
    seconds = a_round.plan.seconds
    for kind in a_round.turn([Ours, partial(OursWithTls, "ecdsa")]):
        a_round.note_disk()
        with kind() as server:
            fill(server.port, range(2000), scheme=server.scheme)
            for connections in (1, 64):
                a_round.take(f"tls/post/{connections}", server, lambda c=connections: load.post(
                    server.port, c, 2000, "times", seconds, scheme=server.scheme))  # fmt: skip
            for name, path, headers in (
                ("plain", "/status.json", None),
                ("gzip", "/status.json", GZIP),
                ("repo", "/status.json?repo=repo-07", None),
            ):
                assert server.get(path, headers)[0] == 200
                a_round.take(f"tls/get/{name}", server, lambda p=path, h=headers: load.get(
                    server.port, p, READERS, seconds, h, server.scheme))  # fmt: skip
    for key in a_round.turn([*secure.KEYS]):
        with OursWithTls(key) as server:
            shaking_hands(a_round, server)


def shaking_hands(a_round: Round, server: OursWithTls) -> None:
    """Full handshakes of four clients, each on a new connection with one small request."""
    before, started = server.cpu_seconds(), time.monotonic()
    done = secure.handshakes(server.port, 4, 2 * a_round.plan.seconds)
    a_round.add(f"tls/handshakes/{server.name}", done / (time.monotonic() - started))
    a_round.add(f"tls/handshakes/{server.name}:cpu", (server.cpu_seconds() - before) / done * 1e6)
    text = server.get("/metrics")[2].decode()
    completed = re.search(r'^gitops_status_tls_handshakes_total\{outcome="completed"\} (\d+)', text, re.MULTILINE)
    assert int(completed[1]) >= done, f"{done} handshakes, of which the server has completed {completed[1]}"


def others(a_round: Round) -> None:
    """Updates of Flask and of Pushgateway, which are far slower."""
    seconds = a_round.plan.seconds
    with Flask() as server:
        # gunicorn supports no pipelining, and closes connections that wait for one of its four threads.
        fill(server.port, range(2000), connections=4, at_once=1)
        a_round.take("post/times/2000/64", server, lambda: load.post(server.port, 64, 2000, "times", seconds))
        a_round.take("get/plain/2000", server, lambda: load.get(server.port, "/status.json", READERS, seconds))
    for with_file in (False, True):
        with Pushgateway(with_file) as server:
            server.name += "+file" if with_file else ""
            load.push(server.port, 64, 2000, seconds).result()
            a_round.take("post/times/2000/64", server, lambda: load.push(server.port, 64, 2000, seconds))


def reading(a_round: Round) -> None:
    """The whole list, plain and compressed, a part of it, and a 304."""
    seconds = a_round.plan.seconds
    for size in a_round.plan.sizes:
        with Ours() as ours:
            fill(ours.port, range(size))
            _, headers, plain = ours.get("/status.json")
            _, _, packed = ours.get("/status.json", GZIP)
            _, _, part = ours.get("/status.json?repo=repo-07")
            files = {"status.json": plain, "status.json.gz": packed, "part.json": part}
            with Nginx(files) as nginx:
                assert nginx.get("/status.json")[2] == plain, "nginx serves the same bytes"
                assert nginx.get("/status.json", GZIP)[2] == packed, "nginx serves the same gzip"
                for server in a_round.turn([ours, nginx]):
                    def get(path, headers=None, port=server.port):
                        return lambda: load.get(port, path, READERS, seconds, headers)

                    a_round.take(f"get/plain/{size}", server, get("/status.json"))
                    a_round.take(f"get/gzip/{size}", server, get("/status.json", GZIP))
                    if size == a_round.plan.sizes[-1]:
                        path = "/part.json" if server is nginx else "/status.json?repo=repo-07"
                        a_round.take(f"get/repo/{size}", server, get(path))
                        tag = {"If-None-Match": server.get("/status.json")[1]["etag"]}
                        assert server.get("/status.json", tag)[0] == 304
                        a_round.take(f"get/304/{size}", server, get("/status.json", tag))
        if size >= 2000:
            scraping(a_round, size)
        with Go() as go:
            fill(go.port, range(size))
            a_round.take(f"get/plain/{size}", go, lambda: load.get(go.port, "/status.json", READERS, seconds))


def scraping(a_round: Round, size: int) -> None:
    """The metrics of all entries, and the same text as a file of nginx."""
    with Ours() as ours:
        fill(ours.port, range(size))
        text = ours.get("/metrics")[2]
        assert text.count(b"gitops_status_synced{") == size, "every entry has its series"
        with Nginx({"metrics": text}) as nginx:
            for server in a_round.turn([ours, nginx]):
                a_round.take(f"metrics/{size}", server,
                             lambda: load.get(server.port, "/metrics", READERS, a_round.plan.seconds))  # fmt: skip


def mixed(a_round: Round, kinds: Sequence[Kind] = (Ours, Go)) -> None:
    """Writers and readers of 20,000 entries at once, unpaced and at the pace of a large fleet."""
    seconds = 2 * a_round.plan.seconds
    for kind in a_round.turn(kinds):
        a_round.note_disk()
        with kind() as server:
            fill(server.port, range(20000))
            both(a_round, "unpaced", server, load.post(server.port, 64, 20000, "times", seconds), seconds)
            a_round.take("paced/alone", server, lambda: load.get(server.port, "/status.json", 8, seconds, GZIP))
            # 16 connections that pause 50 ms after each answer: about 320 updates a second.
            both(a_round, "paced", server, load.post(server.port, 16, 20000, "times", seconds, 50), seconds)


def both(a_round: Round, name: str, server: Server, writers: load.Running, seconds: int) -> None:
    readers = load.get(server.port, "/status.json", 8, seconds, GZIP)
    read, written = readers.result(), writers.result()
    a_round.add(f"{name}/get/{server.name}", read.rate)
    a_round.add(f"{name}/get/{server.name}:max", read.max)
    a_round.add(f"{name}/post/{server.name}", written.rate)
    a_round.add(f"{name}/post/{server.name}:p99", written.p99)


def million(a_round: Round, many: Server, connections: Sequence[int] = (64,)) -> None:
    """Start, memory and updates of `many`, a server that has a million entries already."""
    entries, seconds = a_round.plan.many, 2 * a_round.plan.seconds
    starting(a_round, many)
    for count in connections:
        a_round.take(f"million/post/{count}", many, lambda c=count: load.post(many.port, c, entries, "times", seconds))


def starting(a_round: Round, many: Server) -> None:
    """Start and memory of `many`, which is started anew afterwards."""
    entries = a_round.plan.many
    a_round.note_disk()
    many.stop()
    started = time.perf_counter()
    many.start()
    a_round.add(f"million/resident/{many.name}", many.resident_bytes() / entries)
    a_round.add(f"million/peak/{many.name}", many.peak_bytes() / entries)
    status, headers, _ = many.get("/status.json")
    a_round.add(f"million/first answer/{many.name}", time.perf_counter() - started)
    assert status == 200 and headers["x-total-count"] == str(entries)
    # The first answer has left the rendered list in memory.
    many.stop()
    many.start()


def thousand(a_round: Round) -> None:
    """The same updates with few entries."""
    with Ours() as few:
        fill(few.port, range(1000))
        a_round.take("thousand/post/64", few, lambda: load.post(few.port, 64, 1000, "times", 2 * a_round.plan.seconds))


def expiry(a_round: Round, kinds: Sequence[Kind] = (Ours,)) -> None:
    """Updates while very many entries expire at once."""
    for kind in a_round.turn(kinds):
        expiring(a_round, kind)


def expiring(a_round: Round, kind: Kind) -> None:
    """The same by one program."""
    lifetime = 20
    with kind() as server:
        fill(server.port, range(1000))
        keys = range(1_000_000, 1_000_000 + a_round.plan.expiring)
        fill(server.port, keys, f',"ttl_seconds":{lifetime}')
        filled = time.monotonic()
        quiet = load.post(server.port, 64, 1000, "times", 2).result()
        # The server is paused until all entries have expired, and then finds all of them at once.
        server.pause()
        time.sleep(max(0.0, filled + lifetime + 5 - time.monotonic()))
        server.go_on()
        busy = load.post(server.port, 64, 1000, "times", 3).result()
        left = int(server.get("/status.json?limit=1")[1]["x-total-count"])
        assert left == 1000, f"{left} entries are left"
        a_round.add(f"expiry/quiet/{server.name}:max", quiet.max)
        a_round.add(f"expiry/busy/{server.name}:max", busy.max)


def history(a_round: Round) -> None:
    """Queries of a long history, and their memory."""
    with Ours(keeps_history=True) as server:
        fill(server.port, range(2000))
        server.stop()
        start, end = past.flap(server.folder / "status.db", a_round.plan.days)
        server.start()
        before = server.resident_bytes()
        for name, path in (
            ("timeline", f"/api/timeline?from={start}&to={end}"),
            ("repo", "/api/history?repo=repo-07"),
            ("server", "/api/history?server=server-00007.example.net"),
        ):
            for number in range(5):
                started = time.perf_counter()
                status, _, body = server.get(path)
                assert status == 200 and len(body) > 1000, (path, status, body[:200])
                a_round.samples.add(f"history/{name}", number, time.perf_counter() - started)
        a_round.add("history/memory", (server.resident_bytes() - before) / 1e6)


def slow_disk(a_round: Round) -> None:
    """Updates on a disk with 5 ms a sync: group commit compared with a sync for each update."""
    with Ours(slow_disk=True) as server:
        fill(server.port, range(500))
        for connections in (1, 64):
            a_round.take(
                f"slow/{connections}", server,
                lambda c=connections: load.post(server.port, c, 500, "times", 2),
            )  # fmt: skip
