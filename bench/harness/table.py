"""The table of results: the pairs of figures, and their goals."""

import csv
import io
from dataclasses import dataclass

from .samples import Samples
from .scenarios import Plan

OURS, GO, LOG, NGINX = "gitops-status-server", "inmemory-go", "bare-log", "nginx"


@dataclass(frozen=True)
class Row:
    """A comparison: two figures, and the goal of their ratio."""

    work: str
    figure: str
    base: str | None
    against: str
    goal: str
    unit: str = "/s"


def rows(plan: Plan) -> list[Row]:
    """All comparisons of a plan, in the order of the table. The goals hold for a full run."""

    def pair(work, name, against, label, goal, suffix="", unit="/s"):
        return Row(work, f"{name}/{OURS}{suffix}", f"{name}/{against}{suffix}", label, goal, unit)

    go, log = "Go, in memory", "bare log"
    table = []
    for keys in (2000, 20000):
        for connections, goal in ((64, ">= 1.2"), (256, ">= 1.3")):
            name = f"post/times/{keys}/{connections}"
            work = f"POST, only times change, {keys:,} keys, {connections} connections"
            table.append(pair(work, name, GO, go, goal))
            if connections == 64:
                table.append(pair(work + ": p99", name, GO, go, "<= 0.2", ":p99", " ms"))
    table.append(pair("POST, each one a change, 64 connections", "post/changes/2000/64", GO, go, ">= 0.8"))
    for connections, goal in ((1, ">= 0.9"), (16, ">= 0.9"), (64, "")):
        work = f"POST, only times change, 2,000 keys, {connections} connection{'s' * (connections > 1)}"
        table.append(pair(work, f"post/times/2000/{connections}", LOG, log, goal))
    for other, label in (
        ("inmemory-flask", "Flask, in memory"),
        ("pushgateway", "Pushgateway"),
        ("pushgateway+file", "Pushgateway with its file"),
    ):
        table.append(pair("POST, 64 connections", "post/times/2000/64", other, label, ""))
    for kind, label, goal in (
        ("plain", "nginx, file", ">= 1.0"),
        ("gzip", "nginx, `gzip_static`", ">= 0.9"),
    ):
        for size in (100, 2000, 20000):
            work = f"GET of {size:,} entries" + (", gzip" if kind == "gzip" else "")
            table.append(pair(work, f"get/{kind}/{size}", NGINX, label, goal))
    table.append(pair("GET of one repository of 50, 20,000 entries", "get/repo/20000", NGINX, "nginx, file", ">= 0.8"))
    table.append(pair("GET, not modified (304)", "get/304/20000", NGINX, "nginx", ">= 1.0"))
    for size in (2000, 20000):
        table.append(pair(f"metrics of {size:,} entries", f"metrics/{size}", NGINX, "nginx, file", ""))
    table.append(pair("GET of 20,000 entries", "get/plain/20000", GO, go, ""))
    table.append(pair("GET of 2,000 entries", "get/plain/2000", "inmemory-flask", "Flask, in memory", ""))
    unpaced = "64 writers and 8 gzip readers of 20,000 at once"
    table.append(pair(f"{unpaced}: POST", "unpaced/post", GO, go, ">= 15"))
    table.append(pair(f"{unpaced}: GET", "unpaced/get", GO, go, ">= 10"))
    paced = "320 updates/s and 8 gzip readers of 20,000"
    alone = f"paced/alone/{OURS}"
    table.append(Row(f"{paced}: GET", f"paced/get/{OURS}", alone, "the same without updates", ">= 0.9"))
    table.append(Row(f"{paced}: POST p99", f"paced/post/{OURS}:p99", None, "", "<= 10", " ms"))
    full = Plan()

    def sized(size: str, work: str, figure: str, base: str | None, against: str, goal: str, unit: str = "/s"):
        is_full = getattr(plan, size) == getattr(full, size)
        return Row(work.format(getattr(plan, size)), figure, base, against, goal if is_full else "", unit)

    table += [
        sized("many", "{:,} entries: start to first full answer", f"million/first answer/{OURS}", None, "", "< 2", " s"),
        sized("many", "{:,} entries: memory before it, each", f"million/resident/{OURS}", None, "", "<= 410", " bytes"),
        sized("many", "{:,} entries: POST, 64 connections", f"million/post/64/{OURS}",
            f"thousand/post/64/{OURS}", "1,000 entries", ">= 0.6"),
        sized("expiring", "{:,} entries expire at once: slowest POST", f"expiry/busy/{OURS}:max",
            f"expiry/quiet/{OURS}:max", "none expires", "<= 1.5", " ms"),
        sized("days", "{} days of 2,000 entries that flap hourly: timeline of all", "history/timeline", None, "", "< 1", " s"),
        Row("the same: history of one repository", "history/repo", None, "", "", " s"),
        Row("the same: history of one server name", "history/server", None, "", "", " s"),
        Row("the same: memory that the answers take", "history/memory", None, "", "", " MB"),
        Row("a disk of 5 ms a sync: POST, 64 connections", f"slow/64/{OURS}", f"slow/1/{OURS}",
            "a sync for each update", ">= 25"),
    ]  # fmt: skip
    return table


def rows_of_tokens() -> list[Row]:
    """Updates with a token, beside the same of a server without tokens."""
    table = []
    for connections in (1, 64, 256):
        work = f"POST with a token, 2,000 keys, {connections} connection{'s' * (connections > 1)}"
        table += beside(work, f"tokens/{connections}", "tokens", "the same without tokens", ">= 0.95")
    return table


def rows_of_tls() -> list[Row]:
    """The same work over TLS and without it, and handshakes with a key of either kind."""
    table = []
    for work, name in (
        ("POST, only times change, 2,000 keys, 1 connection", "tls/post/1"),
        ("POST, only times change, 2,000 keys, 64 connections", "tls/post/64"),
        ("GET of 2,000 entries", "tls/get/plain"),
        ("GET of 2,000 entries, gzip", "tls/get/gzip"),
        ("GET of a repository of 40 entries", "tls/get/repo"),
    ):
        table += beside(work, name, "ecdsa", "without TLS", "")
    name = f"tls/handshakes/{OURS}"
    for suffix, what, unit in (("", "", "/s"), (":cpu", ": processor time", " µs")):
        table.append(
            Row(f"new connection for each GET of `/livez`, ECDSA with P-256{what}",
                f"{name}+ecdsa{suffix}", f"{name}+rsa{suffix}", "RSA of 2,048 bits", "", unit)
        )  # fmt: skip
    return table


def beside(work: str, name: str, variant: str, against: str, goal: str) -> list[Row]:
    """The rate and the cost of a variant of this program, beside itself."""
    ours, base = f"{name}/{OURS}+{variant}", f"{name}/{OURS}"
    return [
        Row(work, ours, base, against, goal),
        Row(f"{work}: processor time", f"{ours}:cpu", f"{base}:cpu", against, "", " µs"),
    ]


# The parts of a run with a table of their own. They measure this program alone.
SECTIONS = {"tokens": rows_of_tokens, "tls": rows_of_tls}

COSTS = (
    ("an update, only times change, 64 connections", f"post/times/2000/64/{OURS}:cpu"),
    ("an update, only times change, 20,000 keys, 64 connections", f"post/times/20000/64/{OURS}:cpu"),
    ("an update that is a change, 64 connections", f"post/changes/2000/64/{OURS}:cpu"),
    ("an update of the Go server in memory, 64 connections", f"post/times/2000/64/{GO}:cpu"),
    ("a GET of 20,000 entries", f"get/plain/20000/{OURS}:cpu"),
    ("a GET of 20,000 entries, gzip", f"get/gzip/20000/{OURS}:cpu"),
    ("a GET of one repository of 50", f"get/repo/20000/{OURS}:cpu"),
    ("a scrape of the metrics of 20,000 entries", f"metrics/20000/{OURS}:cpu"),
    ("a 304", f"get/304/20000/{OURS}:cpu"),
)


def keeps(goal: str, value: float) -> bool:
    """Whether a value, rounded as printed, keeps a goal such as ">= 1.2"."""
    relation, _, bound = goal.partition(" ")
    shown = float(f"{value:.3g}")
    return {">=": shown >= float(bound), "<=": shown <= float(bound), "<": shown < float(bound)}[relation]


def cells(row: Row, samples: Samples) -> list[str]:
    """One line of the table; see HEADER."""
    ours = number(samples.value(row.figure)) + row.unit
    if row.base is None:
        judged, theirs, ratio = samples.value(row.figure), "", ""
    else:
        judged = samples.ratio(row.figure, row.base)
        theirs, ratio = number(samples.value(row.base)) + row.unit, f"{judged:.2f}"
    kept = ("yes" if keeps(row.goal, judged) else "**no**") if row.goal else ""
    goal = row.goal.replace(">=", "≥").replace("<=", "≤")
    return [row.work, ours, row.against, theirs, ratio, goal, kept]


HEADER = ["work", "this program", "beside", "it does", "ratio", "goal", "kept"]


def lines(samples: Samples, rows: list[Row]) -> list[list[str]]:
    """Those lines that have figures."""
    found = [row for row in rows if samples.has(row.figure) and (row.base is None or samples.has(row.base))]
    return [cells(row, samples) for row in found]


def costs(samples: Samples) -> list[list[str]]:
    return [[work, f"{samples.value(name):.1f} µs"] for work, name in COSTS if samples.has(name)]


def markdown(header: list[str], body: list[list[str]]) -> str:
    out = ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body]]
    return "\n".join(out) + "\n"


def as_csv(body: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([HEADER, *body])
    return out.getvalue()


def number(value: float) -> str:
    if value >= 1000:
        return f"{round(value, -1 if value < 10000 else -2):,.0f}"
    return f"{value:.3g}"
