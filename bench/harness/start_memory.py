"""The memory of a start: `python -m harness.start_memory [--binary BINARY]`."""

import argparse
import http.client
import json
import shutil
import time
from pathlib import Path

from . import table
from .servers import WORK, Ours
from .updates import fill

LONG_ENTRIES, NAMES = 300, 9000
SMALL_ENTRIES = 200_000
GOAL = "<= 1.3"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/start-memory", description="Measures what a start takes in memory.")
    parser.add_argument("--binary", type=Path, help="another program than that of this tree")
    arguments = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    body = []
    for state, fill_up in (
        (f"{LONG_ENTRIES} entries of {NAMES:,} names", fill_with_long),
        (f"{SMALL_ENTRIES:,} entries of at most two", lambda port: fill(port, range(SMALL_ENTRIES))),
    ):
        options = {"binary": arguments.binary} if arguments.binary else {}
        with Ours(**options) as server:
            fill_up(server.port)
            body.append([state, *measure(server)])
    header = ["state", "running", "a start, at its peak", "ratio", "goal", "kept", "after it", "until it answers"]
    print(table.markdown(header, body))


def measure(server: Ours) -> list[str]:
    """The peak memory of a running server, and of a start with the same entries."""
    running = server.resident_bytes()
    server.stop()
    started = time.perf_counter()
    server.start()
    took = time.perf_counter() - started
    ratio = server.peak_bytes() / running
    kept = "yes" if table.keeps(GOAL, ratio) else "**no**"
    sizes = [f"{size / 1e6:.0f} MB" for size in (running, server.peak_bytes(), server.resident_bytes())]
    return [*sizes[:2], f"{ratio:.2f}", GOAL.replace("<=", "≤"), kept, sizes[2], f"{took:.2f} s"]


def fill_with_long(port: int) -> None:
    """Posts entries with as many files as an update may have."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for entry in range(LONG_ENTRIES):
        names = (f"srv/www/site-{entry:03}/releases/2026-04-21/public/assets/images/{number:05}.webp" for number in range(NAMES))
        update = {
            "repo": "sites", "server": f"web-{entry:03}.example.net", "sync_status": "OUT_OF_SYNC",
            "drift_count": NAMES, "files": [{"name": name} for name in names], "last_check": "2026-04-21T10:32:14Z",
        }  # fmt: skip
        connection.request("POST", "/api/status", json.dumps(update), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok","message":"Status updated successfully"}')
    connection.close()


if __name__ == "__main__":
    main()
