"""What a full server takes at most, with the limits that are shipped: a part of bench/sizes."""

import contextlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import attacks
from .faults import MIB, limited
from .past import flap
from .servers import ROOT, Ours
from .updates import fill, update

BASE = ROOT / "deploy" / "kubernetes" / "base"
UNIT = ROOT / "deploy" / "systemd" / "gitops-status-server.service"
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "M": 1 << 20, "G": 1 << 30}
# Everything that is kept, or has megabytes. Each reader asks for one of them again and again, and reads it.
LISTS = ("/status.json", "/status.json?flat=true", "/status.csv", "/metrics")
READS = (
    *LISTS, "/", "/status.json?q=server&sort=-file_count", "/api/history?limit=1000", "/api/history?q=nothing",
    "/api/timeline?by=repo",
)  # fmt: skip
READERS, SILENT, BODIES = 4, 500, 400
CHECKS = 5
SECONDS = 30
HEADER = [
    "shipped in", "limit", "entries", "after a start", "after they have reported", "each list read",
    f"read by everybody, of whom {SILENT} do not read on", "and attacked with bodies",
]  # fmt: skip


@dataclass(frozen=True)
class Shipped:
    """Settings that are shipped, and the memory that they are to stay within."""

    folder: str
    limit: int
    options: tuple[str, ...]
    environment: dict[str, str]


class Full(Ours):
    """The program with the settings of a deployment."""

    def __init__(self, shipped: Shipped, binary: Path, before: list[str] = ()):
        super().__init__(binary=binary)
        del self.environment["GITOPS_STATUS_METRICS_MAX_ENTRIES"]
        self.shipped, self.before = shipped, before
        self.environment |= shipped.environment

    def command(self) -> list[str]:
        return [*self.before, *super().command(), *self.shipped.options]

    def metric(self, name: str) -> float:
        _, _, text = self.get("/metrics")
        return float(re.search(rf"^{name} (\S+)$", text.decode(), re.MULTILINE)[1])


def shipped() -> list[Shipped]:
    pod = (BASE / "statefulset.yaml").read_text()
    unit = UNIT.read_text()
    allocator = dict(re.findall(r'- name: (MALLOC_\w+)\n +value: "(\w+)"', pod))
    limits = dict(re.findall(r"^Environment=((?:GITOPS_STATUS_MAX|MALLOC)_\w+)=(\w+)$", unit, re.MULTILINE))
    config = ("--config", str(BASE / "config.toml"))
    return [
        Shipped("deploy/kubernetes/base", size(re.search(r"limits:\n +memory: (\w+)", pod)[1]), config, allocator),
        Shipped("deploy/systemd", size(re.search(r"^MemoryMax=(\w+)$", unit, re.MULTILINE)[1]), (), limits),
    ]


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()
    return int(number) * UNITS[unit]


def lines(binary: Path) -> list[str]:
    """What single things take."""
    return [
        f"a client that asks for a long list and reads nothing: {of_a_silent_reader(binary) / 1000:.0f} KB",
        f"`check` of a full database of `deploy/kubernetes/base`: {mib(of_a_check(binary))}",
    ]


def rows(binary: Path, parent: Path | None) -> list[list[str]]:
    """The table. With a folder of control groups, each server runs in one with its limit."""
    return [measure(each, binary, parent) for each in shipped()]


def of_a_silent_reader(binary: Path) -> float:
    """How much memory a client takes that reads nothing of a long list."""
    with Ours(binary=binary) as server:
        fill(server.port, range(20_000))
        server.get("/status.csv")
        before = server.resident_bytes()
        readers = [attacks.ask(server.port, "/status.csv?fields=server,repo") for _ in range(SILENT)]
        # Once the first bytes arrive, the beginning of the answer has been rendered.
        for reader in readers:
            reader.recv(15)
        return (server.resident_bytes() - before) / SILENT


def of_a_check(binary: Path) -> int:
    """The peak memory of the command that looks through a full database, of some runs."""
    with Full(shipped()[0], binary) as server:
        fill_up(server)
        server.stop()
        flap(server.folder / "status.db", 1)
        command = (binary, "check", "--database-url", f"sqlite://{server.folder}/status.db")
        return max(of_a_command(*command) for _ in range(CHECKS))


def measure(shipped: Shipped, binary: Path, parent: Path | None) -> list[str]:
    """A row of the table."""
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(limited(shipped.limit // MIB, parent)) if parent else []
        server = stack.enter_context(Full(shipped, binary, before))
        entries = fill_up(server)
        server.stop()
        flap(server.folder / "status.db", 1)
        server.start()
        sizes = [server.resident_bytes()]
        fill(server.port, range(entries), body=larger)
        sizes.append(server.resident_bytes())
        for path in LISTS:
            for coding in ("identity", "gzip", "br"):
                status, _, _ = server.get(path, {"Accept-Encoding": coding})
                assert status == 200, (path, status)
        sizes.append(server.peak_bytes())
        sizes += under_load(server, entries)
        # One that was killed has no peak any more.
        assert server.process.poll() is None
        return [f"`{shipped.folder}`", mib(shipped.limit), f"{entries:,}", *map(mib, sizes)]


def under_load(server: Full, entries: int) -> list[int]:
    """The peak while everybody reads, and then while bodies are left unfinished as well."""
    everybody = [
        (attacks.read_all, (server.port, READS, READERS)),
        (attacks.read_nothing, (server.port, SILENT, "Accept-Encoding: br\r\n")),
        (attacks.change, (server.port, entries)),
    ]
    with attacks.under(*everybody):
        time.sleep(SECONDS)
        read = server.peak_bytes()
        with attacks.under((attacks.leave_unfinished, (server.port, BODIES))):
            time.sleep(SECONDS)
    given_up = server.metric('gitops_status_overload_total{reason="bodies"}')
    assert given_up > 0, "the bodies have not reached their bound"
    return [read, server.peak_bytes()]


def fill_up(server: Full) -> int:
    """Stores as many entries as the limit lets in, and returns their number."""
    trial = 1000
    fill(server.port, range(trial))
    limit = server.metric("gitops_status_stored_bytes") / server.metric('gitops_status_limit_used_ratio{limit="max_stored_bytes"}')
    entries = int(0.895 * limit / server.metric("gitops_status_stored_bytes") * trial)
    fill(server.port, range(entries))
    return entries


def larger(key: int) -> bytes:
    """Another update of an entry, so large that all of them together reach the limit."""
    report = json.loads(update(key))
    report["files"].append({"name": f"conf.d/added-{key % 50:02}.conf"})
    report["sync_status"], report["drift_count"] = "OUT_OF_SYNC", len(report["files"])
    return json.dumps(report, separators=(",", ":")).encode()


def of_a_command(*command: object) -> int:
    """The peak memory of a command."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss * 1024


def mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
