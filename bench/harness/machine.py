"""The machine on which the figures are measured."""

import os
import platform
import subprocess
import time
from pathlib import Path

SYNC_BYTES = 4120  # a page and its header in SQLite's write-ahead log
SYNC_SECONDS = 0.15


def sync_rate(folder: Path) -> float:
    """How many small appends the disk syncs per second, one after the other."""
    path = folder / "sync"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    block, count = b"x" * SYNC_BYTES, 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SYNC_SECONDS:
        os.write(descriptor, block)
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    path.unlink()
    return count / elapsed


def describe(folder: Path) -> list[str]:
    """One line for the commit, and one for each thing that its figures depend on."""
    memory = int(first_match("/proc/meminfo", "MemTotal").split()[0]) // 1024 // 1024
    filesystem = output("stat", "--file-system", "--format=%T", str(folder))
    commit = output("git", "describe", "--always", "--dirty")
    return [
        f"{time.strftime('%Y-%m-%d')}, commit {commit}",
        f"{os.cpu_count()} cores ({first_match('/proc/cpuinfo', 'model name')}), {memory} GiB, "
        f"Linux {platform.release().split('-')[0]}, {filesystem}",
    ]


def clients() -> str:
    """The compiler and the clients."""
    return ", ".join([output("rustc", "--version").split(" (")[0], wrk(), " ".join(first_line("openssl", "version").split()[:2])])


def versions() -> str:
    """The compiler, the other servers and the client."""
    return ", ".join(
        [
            output("rustc", "--version").split(" (")[0],
            output("go", "version").split(" linux")[0].removeprefix("go version "),
            first_line("nginx", "-v").removeprefix("nginx version: ").replace("/", " "),
            wrk(),
            "Python " + platform.python_version(),
            first_line("prometheus-pushgateway", "--version").split(" (")[0].replace(", version", ""),
        ]
    )


def wrk() -> str:
    return first_line("wrk", "-v").split(" Copyright")[0].split(" [")[0]


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def first_line(*command: str) -> str:
    """The first line of a program's output, on stdout or stderr, whatever its exit status."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def first_match(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"
