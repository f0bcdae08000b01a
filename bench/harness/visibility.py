"""How long after the answer to an update another replica shows it."""

import http.client
import json
import random
import secrets
import threading
import time
from datetime import datetime, timedelta

from .servers import Server

PAIRS = 32
A_SECOND = 50
POLL = 0.002  # seconds
PATIENCE = 20  # seconds
FIRST = datetime(2026, 4, 21)


class Probe:
    """Reports pairs of its own to one replica, one after the other, and watches another one."""

    def __init__(self, writer: Server, reader: Server):
        self.writer, self.reader = writer, reader
        self.repo = f"probe-{secrets.token_hex(4)}"
        # When an update was answered, and when it was seen, by its number.
        self.answered: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.is_over = threading.Event()
        self.errors: list[Exception] = []

    def run(self, seconds: float) -> list[float]:
        """Returns the delays in milliseconds, the shortest first."""
        connection = http.client.HTTPConnection("127.0.0.1", self.writer.port, timeout=PATIENCE)
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        try:
            end, number = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                self.report(connection, number)
                number += 1
                # At any moment between two polls of the other replica.
                time.sleep(random.uniform(0, 2 / A_SECOND))
            self.wait()
        finally:
            self.is_over.set()
            watcher.join()
        return sorted(max(0.0, self.seen[number] - at) * 1000 for number, at in self.answered.items())

    def report(self, connection: http.client.HTTPConnection, number: int) -> None:
        report = {
            "repo": self.repo, "server": f"probe-{number % PAIRS}", "sync_status": "SYNCED", "drift_count": 0, "files": [],
            "last_check": (FIRST + timedelta(seconds=number)).isoformat() + "Z",
        }  # fmt: skip
        connection.request("POST", "/api/status", json.dumps(report), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        self.answered[number] = time.perf_counter()
        if answer.status != 200:
            raise RuntimeError(f"an update is answered {answer.status}")

    def watch(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.reader.port, timeout=PATIENCE)
        try:
            while not self.is_over.wait(POLL):
                connection.request("GET", f"/status.json?repo={self.repo}&fields=last_check")
                rows = json.loads(connection.getresponse().read())
                self.note([(datetime.fromisoformat(row["last_check"].rstrip("Z")) - FIRST).seconds for row in rows])
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.errors.append(error)

    def note(self, shown: list[int]) -> None:
        at = time.perf_counter()
        for number in shown:
            if number not in self.seen:
                # An earlier update of the pair may have been replaced before it was looked for.
                for each in range(number, -1, -PAIRS):
                    self.seen.setdefault(each, at)

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while any(number not in self.seen for number in self.answered):
            if self.errors:
                raise self.errors[0]
            if time.monotonic() > deadline:
                raise RuntimeError("the other replica does not show an update")
            time.sleep(POLL)


def share(delays: list[float], part: float) -> float:
    return delays[min(len(delays) - 1, int(len(delays) * part))]
