"""Faults that need root: `python -m harness.faults [--cgroup FOLDER]`."""

import argparse
import contextlib
import http.client
import json
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from . import machine
from .servers import TARGET, WORK, Ours
from .updates import fill

ROUNDS, SHORT_ROUNDS = 10, 5
WRITERS = 8
ENTRIES = 7500
MIB = 1 << 20
# What a container gets for 32 MiB of stored bytes, by docs/kubernetes.md.
ENOUGH_MIB = 512
READS = ("/status.json", "/", "/api/history", "/api/timeline?by=repo", "/metrics", "/status.csv")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/faults", description="Faults that need root.")
    parser.add_argument("--cgroup", type=Path, help="make a control group in this folder for the limit of memory")
    parser.add_argument("--only", choices=("disk", "memory"), help="one part instead of both")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    print(*machine.describe(WORK), sep="\n")
    if arguments.only != "memory":
        read_only()
    if arguments.only != "disk":
        memory(arguments.cgroup)


class Program(Ours):
    """The debug build, in a folder that may be a mounted file system."""

    def __init__(self, folder: Path, *before: str):
        super().__init__("faults", binary=TARGET / "debug" / "gitops-status-server")
        self.folder = folder
        self.before = before

    def command(self) -> list[str]:
        return [*self.before, *super().command()]

    def __enter__(self):
        try:
            self.start()
        except RuntimeError:
            # With too little memory it may hang instead of ending.
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


class Load:
    """Writers that count their entries up, and remember what was answered with 200."""

    def __init__(self, port: int):
        self.port = port
        self.stored, self.sent = [0] * WRITERS, [0] * WRITERS
        self.refused = 0
        self.is_over = False
        self.threads = [threading.Thread(target=self.write, args=(writer,)) for writer in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, writer: int):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for number in range(1, 1_000_000):
            if self.is_over:
                return
            update = {
                "repo": "load", "server": f"writer-{writer}", "sync_status": "OUT_OF_SYNC", "drift_count": number,
                "files": [{"name": f"file-{number}"}], "last_check": "2026-04-21T10:32:15Z",
            }  # fmt: skip
            self.sent[writer] = number
            try:
                connection.request("POST", "/api/status", json.dumps(update), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 200:
                self.stored[writer] = number
            elif answer.status == 503:
                self.refused += 1
                time.sleep(0.05)
            else:
                raise RuntimeError(f"an update was answered {answer.status}")

    def wait_for(self, updates: int):
        wait("updates are stored", lambda: sum(self.stored) >= updates)

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def check(self, server: Ours, when: str):
        """Fails if the list lacks an update that was answered with 200."""
        rows = {row["server"]: row for row in json.loads(server.get("/status.json?repo=load")[2])}
        for writer in range(WRITERS):
            stored, sent = self.stored[writer], self.sent[writer]
            row = rows.get(f"writer-{writer}", {"drift_count": 0, "files": [{"name": "file-0"}]})
            number = row["drift_count"]
            if not stored <= number <= sent or row["files"] != [{"name": f"file-{number}"}]:
                raise RuntimeError(f"{when}, {row} is listed; {stored} was stored, {sent} was sent")


def wait(what: str, condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"this did not happen: {what}")
        time.sleep(0.02)


def run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    # e2fsck says by 1 that it has mended something.
    if done.returncode > (1 if command[0] == "e2fsck" else 0):
        raise RuntimeError(f"{command}: {done.stdout} {done.stderr}")


@contextlib.contextmanager
def small_disk():
    """An ext4 file system in a file."""
    with tempfile.TemporaryDirectory(dir=WORK) as name:
        image, folder = Path(name) / "image", Path(name) / "mounted"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(64 * MIB)
        run("mkfs.ext4", "-q", image)
        run("mount", "-o", "loop,errors=remount-ro", image, folder)
        try:
            yield image, folder
        finally:
            run("umount", "-l", folder)


def read_only() -> None:
    """ext4 gives up under load, as after an error of the disk, and is checked and mounted again."""
    stored = refused = 0
    for number in range(ROUNDS):
        with small_disk() as (image, folder):
            with Program(folder) as server:
                load = Load(server.port)
                load.wait_for(200 + 100 * number)
                run("mount", "-o", "remount,abort", folder)
                wait("it is degraded", lambda: json.loads(server.get("/health")[2])["status"] == "degraded")
                before = load.refused
                wait("updates are refused", lambda: load.refused >= before + WRITERS)
                load.check(server, "while the disk is read-only")
                load.end()
                status = server.end()
            run("umount", folder)
            run("e2fsck", "-fp", image)
            run("mount", "-o", "loop", image, folder)
            with Program(folder) as server:
                load.check(server, "after the file system was checked and mounted again")
                fill(server.port, range(100))
        stored, refused = stored + sum(load.stored), refused + load.refused
    print(f"a file system turned read-only {ROUNDS} times: {stored:,} updates were answered 200, and none was lost; "
          f"{refused:,} were answered 503; the exit status was {status}")  # fmt: skip


@contextlib.contextmanager
def limited(mib: int, parent: Path | None):
    """What comes before a command, so that it has so much memory."""
    if parent is None:
        yield ["prlimit", f"--data={mib * MIB}"]
        return
    group = parent / "gitops-status-faults"
    group.mkdir()
    try:
        v1 = group / "memory.limit_in_bytes"
        (v1 if v1.exists() else group / "memory.max").write_text(str(mib * MIB))
        yield ["sh", "-c", f'echo $$ >"{group}/cgroup.procs" && exec "$@"', "sh"]
    finally:
        group.rmdir()


def memory(parent: Path | None) -> None:
    """All kinds of reads at once beside updates: within the limit of a container, and within too little."""
    by = "a control group" if parent else "RLIMIT_DATA"
    with tempfile.TemporaryDirectory(dir=WORK) as name, limited(ENOUGH_MIB, parent) as before:
        with Program(Path(name), *before) as server:
            fill(server.port, range(ENTRIES))
            load, reads = Load(server.port), Reads(server.port)
            load.wait_for(500)
            load.end()
            reads.end()
            load.check(server, "within the limit")
            status, peak = server.process.poll(), server.peak_bytes()
            if status is not None:
                raise RuntimeError(f"it has ended: {status}")
        print(f"{ENOUGH_MIB} MiB by {by}: {sum(load.stored):,} updates and {reads.answered:,} reads; peak {peak / MIB:.0f} MiB")
    too_little(parent, by)


def too_little(parent: Path | None, by: str) -> None:
    """It has as much memory as lets it start, ends under load for want of it, and starts again with more."""
    stored, ends, mib = 0, [], 16
    while len(ends) < SHORT_ROUNDS:
        with tempfile.TemporaryDirectory(dir=WORK) as name:
            with Program(Path(name)) as server:
                fill(server.port, range(ENTRIES))
                server.end()
            try:
                with limited(mib, parent) as before, Program(Path(name), *before) as server:
                    load, reads = Load(server.port), Reads(server.port)
                    with contextlib.suppress(RuntimeError):
                        wait("it has ended", lambda: server.process.poll() is not None)
                    load.end()
                    reads.end()
                    ends.append(server.process.poll())
            except RuntimeError:
                mib += 4
                continue
            with Program(Path(name)) as server:
                load.check(server, "after it ended for want of memory")
            stored += sum(load.stored)
    statuses = ", ".join(str(status) for status in sorted(set(ends), key=str))
    print(f"{mib} MiB by {by}: it ended {len(ends) - ends.count(None)} of {SHORT_ROUNDS} times (status {statuses}); "
          f"{stored:,} updates were answered 200, and none was lost")  # fmt: skip


class Reads:
    """Clients that ask for everything."""

    def __init__(self, port: int):
        self.port, self.answered, self.is_over = port, 0, False
        self.threads = [threading.Thread(target=self.read, args=(path,)) for path in READS]
        for thread in self.threads:
            thread.start()

    def read(self, path: str):
        while not self.is_over:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", path)
                connection.getresponse().read()
                self.answered += 1
            except (OSError, http.client.HTTPException):
                if self.is_over:
                    return
                time.sleep(0.05)
            finally:
                connection.close()

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


if __name__ == "__main__":
    main()
