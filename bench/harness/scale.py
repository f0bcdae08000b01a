"""The measurements of PostgreSQL, with one and with several replicas, beside a SQLite file.

Figures are named as those of scenarios.py. The server `sqlite` is this program with a file.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from . import load, past, scenarios
from .cluster import DELAY, NO_DELAY, Cluster, Replica, Usage, move
from .load import Load, Running
from .samples import Samples
from .scenarios import Plan, Round
from .servers import START_SECONDS, WORK, Ours
from .updates import fill
from .visibility import Probe, share

FLEET = 20_000
DELAY_SECONDS = 0.002
# The connections of a client that sends as fast as it can, and the most of one that pauses to keep a pace.
CLOSED, PACED = 64, 256
# How many entries report how often; so the last of these paces is 3,333 updates/s.
PACES = (100_000, 300_000, 1_000_000)
REPORT_SECONDS = 300
PACE_SECONDS = 10
VISIBLE_SECONDS = 10
PAST = 1000  # entries with a history

# What tables take on the disk, in bytes.
SIZES = {
    "entries": "select pg_total_relation_size('entries')",
    "pages of entries": "select pg_relation_size('entries')",
    "commits of an update": "select pg_total_relation_size('commits') / sum(cardinality(keys)) from commits",
}


@dataclass
class Pace:
    """What the updates of very many entries took, through three replicas."""

    entries: int | None  # that report at this pace; None: as fast as the clients can
    loads: list[Load]  # of each replica
    spent: Usage
    replicas: float  # processor time of all replicas, in seconds


@dataclass
class Found:
    """The figures that are not measured in rounds."""

    paces: list[Pace] = field(default_factory=list)
    sizes: dict[str, float] = field(default_factory=dict)


def measure(plan: Plan, samples: Samples, found: Found) -> None:
    with Cluster() as cluster:
        fleet(plan, samples, cluster)
        million(plan, samples, cluster, found)
        history(plan, samples, cluster, found)


def file(keeps_history: bool = False) -> Ours:
    return Ours(name="sqlite", keeps_history=keeps_history)


@contextmanager
def replicas(cluster: Cluster, database: str, count: int) -> Iterator[list[Replica]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Replica(cluster, database)) for _ in range(count)]


def fleet(plan: Plan, samples: Samples, cluster: Cluster) -> None:
    """Updates of 20,000 entries, and how soon other replicas show them."""
    cluster.create("fleet")
    with file() as sqlite, Replica(cluster, "fleet") as replica:
        for server in (sqlite, replica):
            fill(server.port, range(FLEET))
        for number in range(plan.rounds):
            a_round = Round(number, plan, samples)
            for server in a_round.turn([sqlite, replica]):
                a_round.note_disk()
                for connections in (1, CLOSED, 256):
                    posting(a_round, server, connections)
    cluster.sql("fleet", DELAY.format(seconds=DELAY_SECONDS))
    for number in range(min(plan.rounds, 3)):
        a_round = Round(number, plan, samples)
        for name, count, parts in a_round.turn([("one", 1, 1), ("three", 3, 3), ("same keys", 3, 1)]):
            with replicas(cluster, "fleet", count) as servers:
                delayed(a_round, name, servers, parts)
    cluster.sql("fleet", NO_DELAY)
    with replicas(cluster, "fleet", 3) as servers:
        seeing(Round(0, plan, samples), servers)
    # Sessions that have ended have told what they did.
    samples.add(f"scale/hot/{FLEET}", 0, cluster.hot("fleet"))
    cluster.drop("fleet")


def posting(a_round: Round, server: Ours, connections: int) -> None:
    """Updates of one server, and what they cost its database."""

    def take() -> Load:
        return a_round.take(f"scale/post/{connections}", server,
                            lambda: load.post(server.port, connections, FLEET, "times", 2 * a_round.plan.seconds))  # fmt: skip

    if isinstance(server, Replica) and connections == CLOSED:
        costing(a_round, FLEET, server, take)
    else:
        take()


def costing(a_round: Round, entries: int, replica: Replica, take: Callable[[], Load]) -> None:
    """What an update costs the database: processor time (µs) and write-ahead log (bytes)."""
    with replica.spending() as usages:
        updates = take().requests
    spent = usages[0]
    for name, value in (
        ("sessions", spent.sessions * 1e6),
        ("processes", spent.processes * 1e6),
        ("wal", spent.wal),
        ("records", spent.wal - spent.pages),
    ):
        a_round.add(f"scale/cost/{entries}:{name}", value / updates)


def at_once(servers: Sequence[Ours], run: Callable[[int, Ours], Running]) -> list[Load]:
    """Runs a client for each server."""
    running = [run(part, server) for part, server in enumerate(servers)]
    return [each.result() for each in running]


def delayed(a_round: Round, name: str, servers: Sequence[Replica], parts: int) -> None:
    """Updates of one or of several replicas while each commit takes longer."""
    loads = at_once(servers, lambda part, server: load.post(
        server.port, CLOSED, FLEET, "times", 4 * a_round.plan.seconds, part=part, parts=parts))  # fmt: skip
    rates = [each.rate for each in loads]
    a_round.add(f"scale/delay/{name}", sum(rates))
    a_round.add(f"scale/delay/{name}:p99", max(each.p99 for each in loads))
    a_round.add(f"scale/delay/{name}:least", min(rates))
    a_round.add(f"scale/delay/{name}:most", max(rates))


def seeing(a_round: Round, servers: Sequence[Replica]) -> None:
    """How soon an update of the first replica is seen on the last one, which has no updates of its own."""
    for name, rate in (("at rest", 0), ("1,000/s", 500)):
        with under_pace(servers[:2], FLEET, rate, VISIBLE_SECONDS + 1) if rate else ExitStack():
            delays = Probe(servers[0], servers[-1]).run(VISIBLE_SECONDS)
        for suffix, part in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
            a_round.add(f"scale/visible/{name}:{suffix}", share(delays, part))


@contextmanager
def under_pace(servers: Sequence[Ours], entries: int, rate: int, seconds: int) -> Iterator[list[Load]]:
    """Runs clients that keep a pace, this rate for each server, during its `with`. The loads are there
    after it."""
    # A new connection without a request is closed with 408 after some seconds, so none pauses for long.
    connections = min(PACED, rate)
    pause = round(connections / rate * 1000)
    running = [
        load.post(server.port, connections, entries, "times", seconds, pause, part=part, parts=len(servers))
        for part, server in enumerate(servers)
    ]
    loads: list[Load] = []
    try:
        yield loads
    finally:
        loads += [each.result() for each in running]


def million(plan: Plan, samples: Samples, cluster: Cluster, found: Found) -> None:
    """Start, memory and updates of 1,000,000 entries, and what several replicas of them carry."""
    cluster.create("million")
    with file() as sqlite:
        fill(sqlite.port, range(plan.many))
        sqlite.stop()
        replica = Replica(cluster, "million")
        found.sizes["export"], found.sizes["import"] = move(sqlite, replica, WORK / "million.jsonl")
        with replica:
            for number in range(min(plan.rounds, 3)):
                a_round = Round(number, plan, samples)
                for server in a_round.turn([sqlite, replica]):
                    starting(a_round, server)
                    server.stop()
    with replicas(cluster, "million", 3) as servers:
        found.paces += [pacing(plan, servers, entries) for entries in (*PACES, None)]
        away(Round(0, plan, samples), servers)
    samples.add(f"scale/hot/{plan.many}", 0, cluster.hot("million"))
    found.sizes |= {name: float(cluster.sql("million", size)[0]) for name, size in SIZES.items()}
    cluster.drop("million")


def starting(a_round: Round, server: Ours) -> None:
    """The start of a server with very many entries, and then updates of them."""
    scenarios.starting(a_round, server)
    entries = a_round.plan.many

    def take() -> Load:
        return a_round.take("million/post/64", server,
                            lambda: load.post(server.port, CLOSED, entries, "times", 2 * a_round.plan.seconds))  # fmt: skip

    if isinstance(server, Replica):
        costing(a_round, entries, server, take)
    else:
        take()


def pacing(plan: Plan, servers: Sequence[Replica], entries: int | None) -> Pace:
    """Updates through all replicas, of so many entries that report every five minutes, or as fast as the
    clients can. Each pace begins with a checkpoint, so that they are alike."""
    servers[0].cluster.sql(servers[0].database, "checkpoint")
    before = sum(server.cpu_seconds() for server in servers)
    with servers[0].spending() as spent:
        if entries is None:
            loads = at_once(servers, lambda part, server: load.post(
                server.port, CLOSED, plan.many, "times", PACE_SECONDS, part=part, parts=len(servers)))  # fmt: skip
        else:
            with under_pace(servers, plan.many, entries // REPORT_SECONDS // len(servers), PACE_SECONDS) as loads:
                pass
    return Pace(entries, loads, spent[0], sum(server.cpu_seconds() for server in servers) - before)


def away(a_round: Round, servers: Sequence[Replica]) -> None:
    """How long a replica that was suspended takes to show what the others do."""
    first, gone, last = servers
    gone.pause()
    with under_pace((first, last), a_round.plan.many, PACES[-1] // REPORT_SECONDS // 2, a_round.plan.away):
        time.sleep(a_round.plan.away)
    expected = tag(first)
    started = time.perf_counter()
    gone.go_on()
    while tag(gone) != expected:
        if time.perf_counter() > started + START_SECONDS:
            raise RuntimeError("a replica that was away does not become equal to the others")
        time.sleep(0.01)
    a_round.add("scale/away", time.perf_counter() - started)
    assert tag(last) == expected, "the replicas that were there are equal"


def tag(server: Ours) -> str:
    """The entity tag of everything; equal tags mean equal bytes."""
    return server.get("/status.json?limit=1")[1]["etag"]


def history(plan: Plan, samples: Samples, cluster: Cluster, found: Found) -> None:
    """Questions about a long history, of both databases with the same one."""
    cluster.create("past")
    with file(keeps_history=True) as sqlite:
        fill(sqlite.port, range(PAST))
        sqlite.stop()
        start, end = past.flap(sqlite.folder / "status.db", plan.days)
        replica = Replica(cluster, "past", keeps_history=True)
        move(sqlite, replica, WORK / "past.jsonl")
        # As autovacuum does soon after.
        cluster.sql("past", "vacuum (analyze)")
        size = "select pg_total_relation_size('transitions') / count(*) from transitions"
        found.sizes["change"] = float(cluster.sql("past", size)[0])
        sqlite.start()
        with replica:
            for number in range(5):
                a_round = Round(number, plan, samples)
                for name, path in (
                    ("page", "/api/history?limit=100"),
                    ("repo", "/api/history?limit=100&repo=repo-07"),
                    ("entries", f"/api/timeline?from={start}&to={end}"),
                    ("repos", f"/api/timeline?from={start}&to={end}&by=repo"),
                    ("servers", f"/api/timeline?from={start}&to={end}&by=server"),
                ):
                    asking(a_round, name, path, (sqlite, replica))
    cluster.drop("past")


def asking(a_round: Round, name: str, path: str, servers: Sequence[Ours]) -> None:
    bodies = set()
    for server in a_round.turn(servers):
        started = time.perf_counter()
        status, _, body = server.get(path)
        a_round.add(f"scale/history/{name}/{server.name}", (time.perf_counter() - started) * 1000)
        assert status == 200 and len(body) > 1000, (path, status, body[:200])
        bodies.add(body)
    assert len(bodies) == 1, f"{path} has other bytes on each database"
