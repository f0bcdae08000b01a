"""Load on a server by wrk, and what came of it."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "wrk"
# wrk gives up after 2 s by itself, and some servers are slower than that under a mixed load.
PATIENCE = "20s"


@dataclass(frozen=True)
class Load:
    """What one run of wrk counted; times in milliseconds."""

    rate: float
    p99: float
    max: float
    requests: int


class Running:
    """A run of wrk that has been started."""

    def __init__(self, arguments: list[str]):
        self.process = subprocess.Popen(
            ["wrk", "--timeout", PATIENCE, *arguments], cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def result(self) -> Load:
        text, _ = self.process.communicate()
        lines = [line for line in text.splitlines() if line.startswith("RESULT ")]
        if self.process.returncode != 0 or not lines:
            raise RuntimeError(f"wrk failed: {text}")
        counted = json.loads(lines[0].removeprefix("RESULT "))
        # wrk counts what is neither 2xx nor 3xx, and whoever asks here looks at an answer first.
        if counted["failed"] or not counted["requests"]:
            raise RuntimeError(f"wrong answers, which are no measure: {text}")
        rate = counted["requests"] / counted["duration"] * 1e6
        return Load(rate, counted["p99"] / 1e3, counted["max"] / 1e3, counted["requests"])


def threads(connections: int) -> int:
    return min(2, connections)


def post(port: int, connections: int, keys: int, what: str, seconds: int, pause_ms: int = 0) -> Running:
    """Posts updates of these keys: "times" changes nothing but times, "changes" changes each."""
    count = threads(connections)
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", "-s", "post.lua", f"http://127.0.0.1:{port}",
         "--", str(count), str(keys), what, str(pause_ms)]
    )  # fmt: skip


def push(port: int, connections: int, keys: int, seconds: int) -> Running:
    """Pushes the state of these keys to a Pushgateway."""
    count = threads(connections)
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", "-s", "push.lua", f"http://127.0.0.1:{port}",
         "--", str(count), str(keys)]
    )  # fmt: skip


def get(port: int, path: str, connections: int, seconds: int, headers: dict[str, str] | None = None) -> Running:
    """Gets one path."""
    count = threads(connections)
    sent = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", *sent, "-s", "get.lua",
         f"http://127.0.0.1:{port}{path}"]
    )  # fmt: skip
