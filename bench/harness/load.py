"""Load on a server by wrk, and its results."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "wrk"
# wrk's default timeout is 2 s, and some servers are slower under a mixed load.
PATIENCE = "20s"


@dataclass(frozen=True)
class Load:
    """The counts of one run of wrk; times in milliseconds."""

    rate: float
    p50: float
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
        # wrk counts answers other than 2xx and 3xx as failed; the callers check one answer beforehand.
        if counted["failed"] or not counted["requests"]:
            raise RuntimeError(f"wrong answers, which are no measure: {text}")
        rate = counted["requests"] / counted["duration"] * 1e6
        p50, p99, longest = (counted[name] / 1e3 for name in ("p50", "p99", "max"))
        return Load(rate, p50, p99, longest, counted["requests"])


def threads(connections: int) -> int:
    return min(2, connections)


def post(
    port: int, connections: int, keys: int, what: str, seconds: int, pause_ms: int = 0, token: str = "",
    scheme: str = "http", part: int = 0, parts: int = 1,
) -> Running:  # fmt: skip
    """Posts updates of these keys: "times" changes only times, "changes" changes the drift each time.
    Clients that run at once have a part each: of several parts, of other keys; else in another order."""
    count = threads(connections)
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", "-s", "post.lua", f"{scheme}://127.0.0.1:{port}",
         "--", str(count), str(keys), what, str(pause_ms), str(part), str(parts), *([token] if token else [])]
    )  # fmt: skip


def push(port: int, connections: int, keys: int, seconds: int) -> Running:
    """Pushes the state of these keys to a Pushgateway."""
    count = threads(connections)
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", "-s", "push.lua", f"http://127.0.0.1:{port}",
         "--", str(count), str(keys)]
    )  # fmt: skip


def get(
    port: int, path: str, connections: int, seconds: int, headers: dict[str, str] | None = None, scheme: str = "http",
) -> Running:  # fmt: skip
    """Gets one path."""
    count = threads(connections)
    sent = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    return Running(
        [f"-t{count}", f"-c{connections}", f"-d{seconds}", *sent, "-s", "get.lua",
         f"{scheme}://127.0.0.1:{port}{path}"]
    )  # fmt: skip
