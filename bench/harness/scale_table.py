"""The tables of docs/scale.md."""

from . import table
from .samples import Samples
from .scale import CLOSED, DELAY_SECONDS, FLEET, PACE_SECONDS, PACES, REPORT_SECONDS, Found, Pace
from .scenarios import Plan
from .table import OURS, Row, number

POSTGRES, SQLITE = f"{OURS}+postgres", "sqlite"
HEADER = ["work", "PostgreSQL", "beside", "it does", "ratio", "goal", "kept"]
PACES_HEADER = [
    "entries that report every five minutes", "updates/s", "commits/s", "updates a commit", "p50", "p99",
    "processors of PostgreSQL", "of the replicas", "log a second", "of it pages in full",
]  # fmt: skip
CHECKPOINTS_A_DAY = 288  # checkpoint_timeout is five minutes
DAY = 86_400
KEPT_SECONDS = 60  # how long all commits are kept, for replicas that were away
FULL_PACE = PACES[-1] // REPORT_SECONDS


def rows(plan: Plan) -> list[Row]:
    """All comparisons, in the order of the table. The goals of sizes hold for a full run."""
    return [*rows_of_updates(plan), *rows_of_replicas(plan), *rows_of_costs(plan), *rows_of_history(plan)]


def beside(work: str, figure: str, goal: str = "", suffix: str = "", unit: str = "/s") -> Row:
    """PostgreSQL beside SQLite."""
    return Row(work, f"{figure}/{POSTGRES}{suffix}", f"{figure}/{SQLITE}{suffix}", "SQLite", goal, unit)


def alone(work: str, figure: str, unit: str, goal: str = "") -> Row:
    return Row(work, figure, None, "", goal, unit)


def rows_of_updates(plan: Plan) -> list[Row]:
    one, many = f"POST, {FLEET:,} entries, {{}}".format, f"{plan.many:,} entries: {{}}".format
    return [
        beside(one("1 connection"), "scale/post/1"),
        beside(one("64 connections"), "scale/post/64", ">= 0.5"),
        beside(one("64 connections: p50"), "scale/post/64", "", ":p50", " ms"),
        beside(one("64 connections: p99"), "scale/post/64", "", ":p99", " ms"),
        beside(one("256 connections"), "scale/post/256"),
        beside(many("POST, 64 connections"), "million/post/64"),
        beside(many("POST, 64 connections: p99"), "million/post/64", "", ":p99", " ms"),
        beside(many("start to first full answer"), "million/first answer", "", "", " s"),
        beside(many("memory after the start, each"), "million/resident", "", "", " bytes"),
        beside(many("memory of the start at its peak, each"), "million/peak", "", "", " bytes"),
    ]


def rows_of_replicas(plan: Plan) -> list[Row]:
    delay, three = f"{DELAY_SECONDS * 1000:g} ms added to each commit", "scale/delay/three"
    sum_of_three = f"three replicas, {delay}, {CLOSED} connections each"
    table = [
        Row(f"{sum_of_three}: POST", three, "scale/delay/one", "one replica", ">= 1.0"),
        Row("the same: p99", f"{three}:p99", "scale/delay/one:p99", "one replica", "", " ms"),
        Row("the same: the replica that was served least", f"{three}:least", f"{three}:most", "served most", ">= 0.8"),
        Row("the same, but the clients of all replicas have the same entries", "scale/delay/same keys",
            "scale/delay/one", "one replica", ""),
    ]  # fmt: skip
    for load, name in (("at rest", "at rest"), ("with 1,000 updates/s", "1,000/s")):
        for suffix, what, goal in (("p50", "p50", ""), ("p99", "p99", "<= 150"), ("max", "longest", "")):
            table.append(alone(f"from a 200 to sight on another replica, {load}: {what}",
                               f"scale/visible/{name}:{suffix}", " ms", goal))  # fmt: skip
    work = f"{plan.many:,} entries, {FULL_PACE:,} updates/s: until a replica that was suspended for {plan.away} s equals the others"
    return [*table, alone(work, "scale/away", " s")]


def rows_of_costs(plan: Plan) -> list[Row]:
    table = []
    for entries in (FLEET, plan.many):
        cost = f"scale/cost/{entries}"
        table += [
            alone(f"{entries:,} entries: updates within their page (HOT)", f"scale/hot/{entries}", " %", ">= 95"),
            alone(f"{entries:,} entries: processor time of an update in its session", f"{cost}:sessions", " µs"),
            alone(f"{entries:,} entries: the same in all processes of the server", f"{cost}:processes", " µs"),
            alone(f"{entries:,} entries: write-ahead log of an update", f"{cost}:wal", " bytes"),
            alone(f"{entries:,} entries: the same without pages in full", f"{cost}:records", " bytes"),
        ]
    return [
        *table,
        beside("processor time of an update in the program, 64 connections", "scale/post/64", "", ":cpu", " µs"),
    ]


def rows_of_history(plan: Plan) -> list[Row]:
    works = (
        ("the newest 100 changes", "page"),
        ("the newest 100 changes of a repository", "repo"),
        ("timeline of each entry", "entries"),
        ("timeline by repository", "repos"),
        ("timeline by server", "servers"),
    )
    goal = "<= 3.0" if plan.days == Plan().days else ""
    return [beside(f"{plan.days} days of 1,000 entries that flap hourly: {work}", f"scale/history/{name}", goal, "", " ms")
            for work, name in works]  # fmt: skip


def tables(plan: Plan, samples: Samples, found: Found) -> dict[str, str]:
    """The generated parts of the document, by their marks."""
    if not found.paces:
        return {}
    return {
        "postgres": table.markdown(HEADER, table.lines(samples, rows(plan))),
        "paces": table.markdown(PACES_HEADER, [cells(pace) for pace in found.paces]),
        "beyond": bullets(beyond(samples, found)),
        "sizes": bullets(sizes(plan, samples, found)),
    }


def bullets(lines: list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def cells(pace: Pace) -> list[str]:
    spent, updates = pace.spent, updates_of(pace)
    slowest = max(pace.loads, key=lambda load: load.p99)
    return [
        f"{pace.entries:,}" if pace.entries else f"as fast as {CLOSED * len(pace.loads)} connections can",
        number(rate_of(pace)), number(spent.commits / PACE_SECONDS), number(updates / spent.commits),
        f"{number(slowest.p50)} ms", f"{number(slowest.p99)} ms",
        f"{spent.processes / PACE_SECONDS:.2f}", f"{pace.replicas / PACE_SECONDS:.2f}",
        f"{spent.wal / PACE_SECONDS / 1e6:.1f} MB", f"{spent.pages / spent.wal:.0%}",
    ]  # fmt: skip


def rate_of(pace: Pace) -> float:
    return sum(load.rate for load in pace.loads)


def updates_of(pace: Pace) -> int:
    return sum(load.requests for load in pace.loads)


def beyond(samples: Samples, found: Found) -> list[str]:
    """What was not measured, but follows if nothing else gets in the way."""
    rates = {
        "at the rate of the last row": rate_of(found.paces[-1]),
        f"at the rate with {DELAY_SECONDS * 1000:g} ms added to each commit": samples.value("scale/delay/three"),
    }
    return [
        f"{text}, {number(rate)} updates/s: {rate * REPORT_SECONDS / 1e6:.1f} million entries every five minutes"
        for text, rate in rates.items()
    ]


def sizes(plan: Plan, samples: Samples, found: Found) -> list[str]:
    """What very many entries need, measured or worked out from the above."""
    full = next(pace for pace in found.paces if pace.entries == PACES[-1])
    records = (full.spent.wal - full.spent.pages) / updates_of(full)
    resident, peak = (samples.value(f"million/{name}/{POSTGRES}") * plan.many for name in ("resident", "peak"))
    each, kept = found.sizes["entries"] / plan.many, found.sizes["commits of an update"] * KEPT_SECONDS * FULL_PACE
    log = records * FULL_PACE * DAY + found.sizes["pages of entries"] * CHECKPOINTS_A_DAY
    return [
        f"memory of each replica with {plan.many:,} entries: {megabytes(resident)} after its start, {megabytes(peak)} at "
        f"the peak of its start",
        f"disk for {plan.many:,} entries: {megabytes(found.sizes['entries'])}, {number(each)} bytes each",
        f"disk for the commits of a minute at {FULL_PACE:,} updates/s: {megabytes(kept)}, "
        f"{number(found.sizes['commits of an update'])} bytes an update",
        f"disk for the history: {number(found.sizes['change'])} bytes a change, with its indexes",
        f"write-ahead log at {FULL_PACE:,} updates/s, worked out: {log / 1e9:.0f} GB a day, from {number(records)} bytes an "
        f"update, and each page of `entries` in full ({megabytes(found.sizes['pages of entries'])}) every five minutes",
        f"moving {plan.many:,} entries from a SQLite file: `export` {found.sizes['export']:.1f} s, `import` {found.sizes['import']:.1f} s",
    ]  # fmt: skip


def megabytes(count: float) -> str:
    return f"{number(count / 1e6)} MB"
