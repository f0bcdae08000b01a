"""Backups beside updates, by the server and by other ways: `python -m harness.backup`."""

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import load, machine, table
from .past import flap
from .servers import TARGET, WORK, Ours
from .updates import fill

ENTRIES, DAYS = 12_000, 3  # about 200 MB
LOADS = {"64 clients": (64, 0), "200 updates a second": (16, 80)}  # connections, and the mean pause in ms
HEADER = ["load", "copied by", "copies", "seconds each", "MB", "log at most", "memory", "updates/s", "p50", "p99", "max"]

# Copies again and again as another program, for a while. Prints the time of each copy.
OTHER_PROGRAM = """
import json, os, resource, sqlite3, sys, time
way, database, target, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
memory = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def give_up(*_):
    if time.monotonic() > end: raise TimeoutError
before, end, times, size = memory(), time.monotonic() + seconds, [], 0
while time.monotonic() < end:
    began = time.monotonic()
    source = sqlite3.connect(database, timeout=30)
    try:
        if way == "vacuum":
            source.execute("vacuum into ?", (target,))
        else:
            copy = sqlite3.connect(target)
            pages, pause = (-1, 0) if way == "at once" else (256, 0.001)
            source.backup(copy, pages=pages, progress=give_up, sleep=pause)
            copy.close()
    except TimeoutError:
        break
    finally:
        source.close()
    with open(target) as file: os.fsync(file)
    times.append(time.monotonic() - began)
    size = os.path.getsize(target)
    os.unlink(target)
print(json.dumps({"times": times, "size": size, "memory": memory() - before}))
"""
OTHERS = {
    "`vacuum into`": "vacuum",
    "SQLite's backup interface, in one step": "at once",
    "the same, in steps of 1 MiB": "in steps",
}


@dataclass
class Copies:
    """What was copied while updates came in."""

    times: list[float] = field(default_factory=list)
    size: int = 0
    memory: int = 0


class Watch(threading.Thread):
    """Watches the log of a database and the memory of its server, until it is over."""

    def __init__(self, server: Ours):
        super().__init__()
        self.server, self.over = server, threading.Event()
        self.log, self.resident = 0, 0
        self.before = server.resident_bytes()

    def run(self):
        log = self.server.folder / "status.db-wal"
        while not self.over.wait(0.02):
            self.log = max(self.log, log.stat().st_size if log.exists() else 0)
            self.resident = max(self.resident, self.server.resident_bytes())


def by_nobody(server: Ours, seconds: float) -> Copies:
    time.sleep(seconds)
    return Copies()


def by_the_server(server: Ours, seconds: float) -> Copies:
    copies, end = Copies(), time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        connection = server.connection()
        connection.request("GET", "/api/backup")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        copies.times.append(time.monotonic() - began)
        copies.size = int(answer.headers["Content-Length"])
        connection.close()
    return copies


def by_another_program(way: str):
    def copy(server: Ours, seconds: float) -> Copies:
        words = [way, str(server.folder / "status.db"), str(server.folder / "copy.db"), str(seconds)]
        done = subprocess.run([sys.executable, "-c", OTHER_PROGRAM, *words], capture_output=True, text=True, check=True)
        return Copies(**json.loads(done.stdout))

    return copy


WAYS = {
    "nobody": by_nobody,
    "the server": by_the_server,
    **{name: by_another_program(way) for name, way in OTHERS.items()},
}


def measure(binary: Path, filled: Path, name: str, way: str, seconds: int) -> list[str]:
    """Copies one database again and again for some seconds, while clients report."""
    with Ours(keeps_history=True, binary=binary) as server:
        server.stop()
        for left in server.folder.iterdir():
            left.unlink()
        shutil.copyfile(filled, server.folder / "status.db")
        server.start()
        connections, pause = LOADS[name]
        running = load.post(server.port, connections, ENTRIES, "changes", seconds + 2, pause_ms=pause)
        time.sleep(1)
        watch = Watch(server)
        watch.start()
        copies = WAYS[way](server, seconds)
        watch.over.set()
        watch.join()
        result = running.result()
    memory = max(copies.memory, watch.resident - watch.before)
    each = f"{sum(copies.times) / len(copies.times):.1f}" if copies.times else "" if way == "nobody" else "none ended"
    size = f"{copies.size / 1e6:.0f}" if copies.size else ""
    return [
        name, way, str(len(copies.times)), each, size, f"{watch.log / 1e6:.0f} MB",
        f"{memory / 1e6:.0f} MB", f"{result.rate:,.0f}", *(f"{value:.1f} ms" for value in (result.p50, result.p99, result.max)),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/backup", description=__doc__)
    parser.add_argument("--binary", type=Path, default=TARGET / "release" / "gitops-status-server", help="another build")
    parser.add_argument("--seconds", type=int, default=12, help="of each measurement")
    arguments = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    binary, filled = arguments.binary.resolve(), WORK / "filled.db"
    with Ours(keeps_history=True, binary=binary) as server:
        fill(server.port, range(ENTRIES))
        server.stop()
        flap(server.folder / "status.db", DAYS)
        shutil.copyfile(server.folder / "status.db", filled)
    body = [measure(binary, filled, name, way, arguments.seconds) for name in LOADS for way in WAYS]
    filled.unlink()
    print("\n".join(machine.describe(WORK)) + "\n\n" + table.markdown(HEADER, body))


if __name__ == "__main__":
    main()
