"""What a server takes in memory and on disk: `python -m harness.sizes [--binary BINARY]`."""

import argparse
import shutil
from pathlib import Path

from . import document, machine, table
from .servers import ROOT, TARGET, WORK, Ours
from .updates import fill

# The second is ten times a fleet of 300 servers and 25 repositories.
ENTRIES = (7_500, 75_000, 250_000, 1_000_000)
# Each list is kept as it was last read; the page and the metrics are made each time.
LISTS = ("/status.json", "/status.json?flat=true", "/status.csv", "/metrics", "/")
ROUNDS_OF_CHANGES = 4
CHANGED = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/sizes", description="Measures what a server takes.")
    parser.add_argument("--binary", type=Path, default=TARGET / "release" / "gitops-status-server")
    binary = parser.parse_args().binary
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    about = [*machine.describe(WORK), f"{bytes_a_change(binary):.0f} bytes of disk a change in the history, with its indexes"]
    header = ["entries", "memory after a start", "after the entries have reported", "peak, with each list read", "database"]
    body = [measure(binary, entries) for entries in ENTRIES]
    part = "".join(f"- {line}\n" for line in about) + "\n" + table.markdown(header, body)
    document.replace(ROOT / "docs" / "operations.md", {"sizes": part})
    print(part)


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


def on_disk(server: Ours) -> int:
    return (server.folder / "status.db").stat().st_size


def mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
