"""A simulated year: `python -m harness.year [--days N]`."""

import argparse
import csv
import sys
import time
from pathlib import Path
from statistics import median

from . import document, machine, plot, table
from .plot import Line
from .servers import ROOT, TARGET, WORK
from .simulated import BEGAN, DAY, HOUR, STEP, Fleet, History, Simulated

PAGE = ROOT / "docs" / "year.md"
YEAR, WEEK, MONTH = 365, 7, 28
# The days for which the server is away, and whether it is killed before.
AWAY = {100: False, 250: True}
RETENTION = 90 * DAY
READS = {
    "list": "/status.json",
    "page": "/",
    "page of an entry": "/entry?repo={repo}&server={server}",
    "history of a repository": "/api/history?repo={repo}",
    "timeline of an entry": "/api/timeline?repo={repo}&server={server}&from=now-7d&to=now",
    "metrics": "/metrics",
}
TIMES = 200
CLIENTS = 16
COLUMNS = [
    "week", "updates", "entries", "stale", "database MB", "log MB", "free MB", "memory MB", "peak MB", "descriptors",
    "threads", "start ms", "update p50 ms", "update p99 ms",
    *(f"{name} {part} ms" for name in READS for part in ("p50", "p99")),
    "updates/s",
]  # fmt: skip
# What has to stay flat, and the most by which its median may grow from the second quarter to the fourth.
GOALS = {
    "entries": 1.1, "database MB": 1.1, "log MB": 1.1, "memory MB": 1.1, "peak MB": 1.1, "descriptors": 1.0,
    "threads": 1.25, "start ms": 1.5, "update p99 ms": 1.5, **{f"{name} p99 ms": 1.5 for name in READS},
}  # fmt: skip
QUARTERS = (range(14, 27), range(40, 53))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/year", description="Simulates a year of 7,500 entries.")
    parser.add_argument("--days", type=int, default=YEAR, help="how many days (default: a year)")
    parser.add_argument("--connections", type=int, default=256, help="of the client (default: 256)")
    parser.add_argument("--uninterrupted", action="store_true", help="without a restart and a day away")
    parser.add_argument("--write", action="store_true", help="write the document also for less than a year")
    parser.add_argument("--note", default="", help="a line for the document, such as what else the machine did")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    began, about = time.monotonic(), machine.describe(WORK)
    with Simulated() as server, Fleet(arguments.connections) as fleet:
        run = Run(server, fleet, arguments.uninterrupted)
        rows = run.live(arguments.days)
        lines = server.log_lines()
    print("\n".join(["", f"{len(lines)} warnings", *lines[:20]]), file=sys.stderr)
    took = f"{arguments.days} days, {run.updates:,} updates in {(time.monotonic() - began) / 60:.0f} minutes"
    print(took)
    folder = ROOT / "docs" if arguments.days >= YEAR or arguments.write else TARGET / "bench"
    for name, picture in plots(rows).items():
        (folder / f"year-{name}.svg").write_text(picture)
    if folder.name == "docs":
        (folder / "year.csv").write_text((TARGET / "bench" / "year.csv").read_text())
        about = [*about, took, *([arguments.note] if arguments.note else [])]
        parts = "".join(f"- {line}\n" for line in about) + "\n" + table.markdown(*summary(rows))
        document.replace(PAGE, {"year": parts})


class Run:
    """The year, day by day."""

    def __init__(self, server: Simulated, fleet: Fleet, is_uninterrupted: bool):
        self.server, self.fleet = server, fleet
        self.is_uninterrupted = is_uninterrupted
        self.updates = 0
        self.began = time.monotonic()

    def live(self, days: int) -> list[dict]:
        self.fleet.connect(self.server)
        rows, updates, since = [], 0, self.began
        path = TARGET / "bench" / "year.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for day in range(1, days + 1):
                if day in AWAY and not self.is_uninterrupted:
                    self.be_away(AWAY[day])
                else:
                    self.live_a_day()
                if day % WEEK == 0:
                    rate = (self.updates - updates) / (time.monotonic() - since)
                    row = {"week": day // WEEK, **self.measure(), "updates/s": round(rate)}
                    rows.append(row)
                    writer.writerow(row)
                    file.flush()
                    print(", ".join(f"{name} {value}" for name, value in row.items()), file=sys.stderr, flush=True)
                    updates, since = self.updates, time.monotonic()
                if (day % MONTH == 0 and not self.is_uninterrupted) or day == days:
                    self.restart(kills=day // MONTH % 2 == 1 and day < days)
        return rows

    def live_a_day(self):
        for _ in range(DAY // STEP):
            self.updates += self.fleet.ask("step", BEGAN, self.server.now)["updates"]
            self.server.move_clock(STEP)

    def be_away(self, kills: bool):
        """The server is away for a day, and then shows what it knew. All of it is stale: of an outage, only
        one `stale_after` does not count as silence."""
        self.server.end(kills)
        self.server.now += DAY
        self.server.start()
        self.fleet.connect(self.server)
        self.fleet.ask("compare", self.server.now)

    def restart(self, kills: bool):
        """Restarts the server, and checks that it shows and stores the same."""
        server, fleet = self.server, self.fleet
        fleet.ask("compare", server.now)
        before = server.state()
        server.end(kills)
        if not kills:
            with History(server.database) as history:
                self.check(history)
        server.start()
        fleet.connect(server)
        if server.state() != before:
            raise RuntimeError("the list is another one after a restart")

    def check(self, history: History):
        """Checks that the history tells what has happened, and that what is old is gone."""
        now = self.server.now
        # What the clock does is stored a moment later.
        since, until = max(BEGAN, now - RETENTION + DAY), now - HOUR
        told, expected = history.events(since, until), self.fleet.ask("events", since, until)
        if told != expected:
            raise RuntimeError(f"the history has {told}, and {expected} have happened")
        if (most := history.most_older_than(now - RETENTION - DAY)) > 1:
            raise RuntimeError(f"{most} old changes of one entry are kept")
        print(f"{history.rows():,} changes are stored: {told}", file=sys.stderr)

    def measure(self) -> dict:
        server = self.server
        updates = self.fleet.ask("update", server.address, CLIENTS, TIMES)
        self.updates += CLIENTS * TIMES
        row = rounded({f"update {part} ms": updates[part] for part in ("p50", "p99")})
        key = server.first_entry()
        for name, path in READS.items():
            read = self.fleet.ask("get", server.address, TIMES, path.format(**key))
            row |= rounded({f"{name} {part} ms": read[part] for part in ("p50", "p99")})
        summary = server.summary()
        refused = server.metric("gitops_status_updates_total") - server.metric('gitops_status_updates_total{outcome="stored"}')
        if refused:
            raise RuntimeError(f"{refused} updates were refused")
        log = Path(f"{server.database}-wal")
        sizes = {
            "database MB": server.database.stat().st_size / 1e6,
            "log MB": log.stat().st_size / 1e6,
            "free MB": server.metric("gitops_status_database_reusable_bytes") / 1e6,
            "memory MB": server.resident_bytes() / 1e6,
            "peak MB": server.peak_bytes() / 1e6,
            "start ms": server.start_seconds * 1000,
        }
        counts = {
            "updates": self.updates, "entries": summary["entries"], "stale": summary["stale"],
            "descriptors": server.descriptors(), "threads": server.threads(),
        }  # fmt: skip
        # The server may have closed connections that were idle meanwhile.
        self.fleet.connect(server)
        return counts | rounded(sizes) | row


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}


def summary(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    """The medians of two quarters, beside each other; of less than a year, the first and the last week."""
    is_whole = rows[-1]["week"] >= QUARTERS[1][-1]
    quarters = QUARTERS if is_whole else [[rows[0]["week"]], [rows[-1]["week"]]]
    header = ["figure", *(named(weeks) for weeks in quarters), "ratio", "goal", "kept"]
    body = []
    for name, most in GOALS.items():
        early, late = (median(row[name] for row in rows if row["week"] in weeks) for weeks in quarters)
        ratio = late / early if early else 1.0
        kept = "yes" if round(ratio, 2) <= most else "**no**"
        judged = [f"≤ {most:g}", kept] if is_whole else ["", ""]
        body.append([name, f"{early:,.4g}", f"{late:,.4g}", f"{ratio:.2f}", *judged])
    return header, body


def named(weeks) -> str:
    return f"weeks {weeks[0]} to {weeks[-1]}" if len(weeks) > 1 else f"week {weeks[0]}"


def plots(rows: list[dict]) -> dict[str, str]:
    def lines(names: dict[str, str]) -> list[Line]:
        return [Line(label, [(row["week"], row[name]) for row in rows]) for name, label in names.items()]

    sizes = {"database MB": "database", "memory MB": "memory", "log MB": "write-ahead log"}
    latencies = {
        "update p99 ms": "update", "page p99 ms": "page", "page of an entry p99 ms": "page of an entry",
        "history of a repository p99 ms": "history",
    }  # fmt: skip
    return {
        "sizes": plot.svg("Sizes over a year", "week", "MB", lines(sizes), x_is_log=False),
        "latencies": plot.svg("99th percentiles over a year", "week", "ms", lines(latencies), x_is_log=False),
    }


if __name__ == "__main__":
    main()
