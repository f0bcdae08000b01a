"""The program with a clock that the benchmark moves, and the fleet that reports to it."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from .servers import TARGET, Server

BINARY = TARGET / "release" / "examples" / "year"
# 2026-01-01T00:00:00Z. The clock is in milliseconds.
BEGAN = 1_767_225_600_000
HOUR, DAY = 3_600_000, 86_400_000
STEP = HOUR // 4


class Simulated(Server):
    """The program with its defaults, but a backup each simulated week, of which two are kept."""

    def __init__(self):
        super().__init__("year")
        self.now = BEGAN
        self.start_seconds = 0.0

    def command(self) -> list[str]:
        return [
            str(BINARY),
            "--listen", f"127.0.0.1:{self.port}",
            "--database-url", f"sqlite://{self.database}",
            "--backup-dir", str(self.folder / "backups"), "--backup-every", "7d", "--backup-keep", "2",
        ]  # fmt: skip

    @property
    def database(self) -> Path:
        return self.folder / "status.db"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self):
        (self.folder / "backups").mkdir(exist_ok=True)
        began = time.perf_counter()
        with self.log().open("ab") as log:
            self.launch(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.write(self.now)
        self.await_answer()
        self.start_seconds = time.perf_counter() - began

    def move_clock(self, span: int):
        """Moves the clock, and returns when the server shows the new time."""
        self.write(span)
        answer = self.process.stdout.readline()
        if answer != b"moved\n":
            raise RuntimeError(f"the server has ended: see {self.log()}")
        self.now += span

    def write(self, number: int):
        self.process.stdin.write(b"%d\n" % number)
        self.process.stdin.flush()

    def end(self, kills: bool):
        """Kills it, or asks it to stop."""
        self.process.send_signal(signal.SIGKILL if kills else signal.SIGTERM)
        status = self.process.wait(timeout=60)
        if not kills and status != 0:
            raise RuntimeError(f"exit status {status}: see {self.log()}")

    def state(self) -> tuple[str, bytes]:
        """The list and its entity tag."""
        status, headers, body = self.get("/status.json")
        assert status == 200
        return headers["etag"], body

    def summary(self) -> dict:
        return json.loads(self.get("/api/summary")[2])

    def metric(self, name: str) -> float:
        lines = self.get("/metrics")[2].decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))

    def first_entry(self) -> dict[str, str]:
        return json.loads(self.get("/status.json?limit=1&fields=repo,server")[2])[0]

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def log_lines(self) -> list[str]:
        return self.log().read_text().splitlines()


class History:
    """The history of a database whose server has stopped."""

    def __init__(self, database: Path):
        self.connection = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def events(self, since: int, until: int) -> dict[str, int]:
        """How often each event happened, but silences: the fleet does not count those."""
        rows = self.connection.execute(
            "select event, count(*) from transitions where at >= ? and at < ? and event not in ('stale', 'fresh') "
            "group by event", (since, until),
        )  # fmt: skip
        return dict(rows.fetchall())

    def most_older_than(self, moment: int) -> int:
        """The largest number of changes of one entry before a moment."""
        query = "select max(n) from (select count(*) as n from transitions where at < ? group by repo, server)"
        return self.connection.execute(query, (moment,)).fetchone()[0] or 0

    def rows(self) -> int:
        return self.connection.execute("select count(*) from transitions").fetchone()[0]


class Fleet:
    """The client: 7,500 jobs that report every hour."""

    def __init__(self, connections: int):
        self.connections = connections
        self.process = subprocess.Popen([str(BINARY), "report"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def ask(self, *words: object) -> dict:
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the client has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def connect(self, server: Simulated):
        self.ask("connect", server.address, self.connections)
