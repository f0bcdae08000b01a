"""A PostgreSQL server for a run, the replicas of this program on it, and what it does for them."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .servers import START_SECONDS, WORK, Ours, free_port

PROGRAMS = Path("/usr/lib/postgresql")
ROLE = "status"
# Everything that is not as PostgreSQL's defaults have it, but for the port. fsync, synchronous_commit
# and full_page_writes are on by default.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
# The log of a measurement is looked at after it. This has no other effect.
KEPT = {"wal_keep_size": "2GB"}
TICKS = os.sysconf("SC_CLK_TCK")

# Each commit sleeps while it holds the lock that orders all commits, as it would wait for a slower disk
# or for a standby.
DELAY = """
    create function slow_commit() returns trigger language plpgsql as
        $$ begin perform pg_sleep({seconds}); return new; end $$;
    create trigger slow_commit before insert on commits for each row execute function slow_commit();
"""
NO_DELAY = "drop trigger slow_commit on commits; drop function slow_commit()"


@dataclass(frozen=True)
class Usage:
    """What a database has done so far: processor time in seconds, write-ahead log in bytes."""

    sessions: float  # processor time of the sessions of replicas
    processes: float  # processor time of all processes of the server
    wal: int
    pages: int  # the part of the log that is pages in full, as each is logged once after a checkpoint
    commits: int


class Cluster:
    """A server in a folder of its own, which is removed at the end of its `with`."""

    def __init__(self):
        self.port = free_port()
        self.folder = WORK / f"postgres-{self.port}"
        self.password = secrets.token_hex(16)

    def __enter__(self):
        self.folder.mkdir()
        key = self.folder / "password"
        key.touch(mode=0o600)
        key.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, key):
                shutil.chown(path, "postgres", "postgres")
        succeed([*as_server(), program("initdb"), "--pgdata", f"{self.folder}/data", "--username=postgres",
                 "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={key}"])  # fmt: skip
        key.unlink()
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        with open(WORK / "postgres.log", "wb") as log:
            self.process = subprocess.Popen(
                [*as_server(), program("postgres"), "-D", f"{self.folder}/data",
                 *(f"--{name}={value}" for name, value in (options | SETTINGS | KEPT).items())],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self.wait()
            self.sql("postgres", f"create role {ROLE} login password '{self.password}'")
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self):
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(self.psql("postgres", "select 1"), env=self.login(), capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: see {WORK}/postgres.log")
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder)

    def create(self, database: str) -> None:
        """Makes a database with nothing in it."""
        self.sql("postgres", f"create database {database} owner {ROLE}")

    def drop(self, database: str) -> None:
        self.sql("postgres", f"drop database {database} with (force)")

    def url(self, database: str) -> str:
        return f"postgres://{ROLE}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def login(self) -> dict[str, str]:
        return os.environ | {"PGPASSWORD": self.password}

    def psql(self, database: str, text: str) -> list[str]:
        to = ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        return ["psql", *to, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "-c", text]

    def sql(self, database: str, text: str) -> list[str]:
        """Runs SQL as the administrator, and returns the columns of the last row."""
        return succeed(self.psql(database, text), env=self.login()).strip().rpartition("\n")[2].split("|")

    def standing(self, database: str) -> tuple[str, int]:
        """The end of the write-ahead log, and the last commit. The log is on disk up to its end."""
        message = "select pg_logical_emit_message(true, 'bench', ''), (select max(revision) from commits)"
        end, commits = self.sql(database, message)
        return end, int(commits)

    @contextmanager
    def spending(self, database: str) -> Iterator[list[Usage]]:
        """Measures what happens in its `with`, after which the list has it."""
        spent: list[Usage] = []
        start, commits = self.standing(database)
        before = self.processor_seconds()
        yield spent
        sessions, processes = (after - at_first for after, at_first in zip(self.processor_seconds(), before))
        end, last = self.standing(database)
        spent.append(Usage(sessions, processes, *self.logged(start, end), last - commits))

    def logged(self, start: str, end: str) -> tuple[int, int]:
        """The bytes of the log between two places, and how many of them are pages in full."""
        told = succeed([*as_server(), program("pg_waldump"), "--stats", f"--path={self.folder}/data/pg_wal",
                        f"--start={start}", f"--end={end}"])  # fmt: skip
        records, pages, both = re.search(r"^Total\s+\d+\s+(\d+)[^(]*\S+\s+(\d+)[^(]*\S+\s+(\d+)", told, re.MULTILINE).groups()
        assert int(records) + int(pages) == int(both), told
        return int(both), int(pages)

    def processor_seconds(self) -> tuple[float, float]:
        """The processor time of the sessions of replicas, and of all processes, also of ended ones."""
        parts = [self.process.pid, *children(self.process.pid)]
        spent = {part: times(part) for part in parts}
        sessions = sum(sum(spent[part][:2]) for part in parts if is_session(part))
        return sessions / TICKS, (sum(sum(each[:2]) for each in spent.values()) + sum(spent[parts[0]][2:])) / TICKS

    def hot(self, database: str) -> float:
        """The share of updated entries that stayed in their page (%)."""
        counts = "select 100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0) from pg_stat_user_tables where relname = 'entries'"
        return float(self.sql(database, counts)[0])


class Replica(Ours):
    """gitops-status-server on a database of a cluster."""

    def __init__(self, cluster: Cluster, database: str, keeps_history: bool = False):
        super().__init__(name="gitops-status-server+postgres", keeps_history=keeps_history)
        self.cluster, self.database = cluster, database
        self.environment["PGPASSWORD"] = cluster.password

    def spending(self):
        return self.cluster.spending(self.database)

    def command(self) -> list[str]:
        return [str(self.binary), "--listen", f"127.0.0.1:{self.port}", "--database-url", self.cluster.url(self.database)]


def move(source: Ours, replica: Replica, file: Path) -> tuple[float, float]:
    """Copies what a stopped server has into the empty database of another one. Returns how long the export
    and the import took."""
    took = []
    for command, server in (("export", source), ("import", replica)):
        url = server.command()[-1]
        started = time.perf_counter()
        succeed([str(server.binary), command, "--database-url", url, str(file)], env=os.environ | server.environment)
        took.append(time.perf_counter() - started)
    file.unlink()
    return took[0], took[1]


def as_server() -> list[str]:
    """What a command of the server begins with: it ends with this process, and does not run as root."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", "--pdeathsig=QUIT", *user]


def program(name: str) -> str:
    newest = max(PROGRAMS.iterdir(), key=lambda folder: float(folder.name))
    return str(newest / "bin" / name)


def version() -> str:
    return "PostgreSQL " + re.search(r"\d[\d.]*", succeed([program("postgres"), "--version"]))[0]


def succeed(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")
    return done.stdout


def children(parent: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def times(process: int) -> list[int]:
    """Its processor time, in user mode and in the kernel, and the same of its children that have ended."""
    try:
        return [int(field) for field in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:15]]
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 4


def is_session(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().startswith(f"postgres: {ROLE} ")
    except (FileNotFoundError, ProcessLookupError):
        return False
