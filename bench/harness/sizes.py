"""What a server takes in memory and on disk: `python -m harness.sizes [--binary BINARY]`."""

import argparse
import shutil
import sqlite3
import threading
from pathlib import Path

from . import document, machine, sizes_full, table
from .past import flap
from .servers import ROOT, TARGET, WORK, Ours
from .updates import fill

# The second is ten times a fleet of 300 servers and 25 repositories.
ENTRIES = (7_500, 75_000, 250_000, 1_000_000)
# Each list is kept as it was last read; the page and the metrics are made each time.
LISTS = ("/status.json", "/status.json?flat=true", "/status.csv", "/metrics", "/")
ROUNDS_OF_CHANGES = 4
CHANGED = 50_000
# The oldest schema with a history, as the tests of upgrades have it: its entries change hourly for so long
# that there are a million changes.
OLD = ROOT / "tests" / "it" / "schemas" / "sqlite" / "0002.sql"
OLD_DAYS = 5953


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/sizes", description="Measures what a server takes.")
    parser.add_argument("--binary", type=Path, default=TARGET / "release" / "gitops-status-server")
    parser.add_argument("--only", choices=("sizes", "full"), help="one table instead of both")
    parser.add_argument("--cgroup", type=Path, help="keep the shipped settings within a control group of their limit, in this folder")
    arguments = parser.parse_args()
    binary = arguments.binary
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    parts = {}
    if arguments.only != "full":
        parts["sizes"] = by_entries(binary)
    if arguments.only != "sizes":
        about, body = sizes_full.lines(binary), sizes_full.rows(binary, arguments.cgroup)
        parts["full"] = part([*describe(binary), *about, upgrade(binary)], sizes_full.HEADER, body)
    document.replace(ROOT / "docs" / "operations.md", parts)
    print(*parts.values(), sep="\n")


def by_entries(binary: Path) -> str:
    change = f"{bytes_a_change(binary):.0f} bytes of disk a change in the history, with its indexes"
    header = ["entries", "memory after a start", "after the entries have reported", "peak, with each list read", "database"]
    return part([*describe(binary), change], header, [measure(binary, entries) for entries in ENTRIES])


def part(about: list[str], header: list[str], body: list[list[str]]) -> str:
    return "".join(f"- {line}\n" for line in about) + "\n" + table.markdown(header, body)


def describe(binary: Path) -> list[str]:
    """As `machine` does, with the commit of the program, which may be older than the tree."""
    when, *others = machine.describe(WORK)
    commit = machine.output(str(binary), "--version").partition("(commit ")[2].rstrip(")")
    return [f"{when.partition(', commit')[0]}, commit {commit[:7]}", *others]


def measure(binary: Path, entries: int) -> list[str]:
    """A row of the table."""
    with Ours(binary=binary) as server:
        fill(server.port, range(entries))
        server.stop()
        server.start()
        idle = server.resident_bytes()
        fill(server.port, range(entries))
        reported = server.resident_bytes()
        for path in LISTS:
            status, _, _ = server.get(path)
            assert status == 200, (path, status)
        return [f"{entries:,}", mb(idle), mb(reported), mb(server.peak_bytes()), mb(on_disk(server))]


def bytes_a_change(binary: Path) -> float:
    """How much the database grows with each change of an entry, between two states with all entries."""
    with Ours(binary=binary, keeps_history=True) as server:
        change_all(server, 0)
        before = stopped_size(server)
        for number in range(1, ROUNDS_OF_CHANGES + 1):
            change_all(server, number)
        return (stopped_size(server) - before) / (ROUNDS_OF_CHANGES * CHANGED)


def change_all(server: Ours, number: int) -> None:
    """Every entry goes into drift, or out of it."""

    def body(key: int) -> bytes:
        drift = (key + number) % 2
        files = '{"name":"conf.d/01-site.conf"}' * drift
        status = "OUT_OF_SYNC" if drift else "SYNCED"
        return (
            f'{{"repo":"repo-{key % 50:02}","server":"server-{key // 50:05}.example.net",'
            f'"sync_status":"{status}","drift_count":{drift},"files":[{files}],"last_check":"2026-04-21T10:32:14Z"}}'
        ).encode()

    fill(server.port, range(CHANGED), body=body)


def stopped_size(server: Ours) -> int:
    """The size of the file once the log is in it: a start empties the log."""
    server.stop()
    server.start()
    return on_disk(server)


def upgrade(binary: Path) -> str:
    """What the upgrade of a long history takes."""
    with Ours(binary=binary) as server:
        server.stop()
        database, log = server.folder / "status.db", server.folder / "status.db-wal"
        for path in (database, log):
            path.unlink(missing_ok=True)
        connection = sqlite3.connect(database)
        connection.executescript(OLD.read_text())
        connection.close()
        flap(database, OLD_DAYS)
        before, sizes, has_started = on_disk(server), [0], threading.Event()

        def watch():
            while not has_started.wait(0.001):
                sizes.append(log.stat().st_size if log.exists() else 0)

        watcher = threading.Thread(target=watch)
        watcher.start()
        server.start()
        has_started.set()
        watcher.join()
        return (
            f"an upgrade of a million changes from the second schema: {server.cpu_seconds():.1f} s of a processor, "
            f"and {mb(max(sizes))} for the log, beside a file of {mb(before)}"
        )


def on_disk(server: Ours) -> int:
    return (server.folder / "status.db").stat().st_size


def mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
