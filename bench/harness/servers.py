"""The measured servers, each started empty."""

import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import secure

ROOT = Path(__file__).parent.parent.parent
TARGET = ROOT / "target"
WORK = TARGET / "bench" / "work"
START_SECONDS = 60
# A token that is no secret: its server runs for a moment, on loopback.
TOKEN = f"gss_bench_{'b' * 43}"


class Server:
    """A server process with its own folder; it is killed at the end of its `with`."""

    scheme = "http"

    def __init__(self, name: str, ready_path: str = "/health"):
        self.name = name
        self.ready_path = ready_path
        self.port = free_port()
        # The name has the port, since two servers of one kind may run at once.
        self.folder = WORK / f"{name}-{self.port}"
        self.environment: dict[str, str] = {}

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Starts it and returns when it answers."""
        with open(os.devnull, "wb") as nowhere, open(self.log(), "wb") as log:
            # Request logs are discarded, but the servers still have to write them.
            self.launch(stdout=nowhere, stderr=log if self.keeps_log() else nowhere)
        self.await_answer()

    def launch(self, **streams):
        self.process = subprocess.Popen(
            self.command(), cwd=self.folder, env=os.environ | self.environment,
            start_new_session=True, **streams,
        )  # fmt: skip

    def await_answer(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.get(self.ready_path)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not start: see {self.log()}") from None
                time.sleep(0.002)

    def keeps_log(self) -> bool:
        return False

    def log(self) -> Path:
        """The file of its standard error, if it is kept. It outlives the folder."""
        return WORK / f"{self.folder.name}.log"

    def stop(self):
        """Kills it, if that has not been done."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def pause(self):
        """Pauses it (SIGSTOP), so that it notices no time passing until it is resumed."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Gets a path once: status, headers in lower case, and the body as received."""
        connection = self.connection()
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "identity"} | (headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return response.status, named, response.read()
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        if self.scheme == "https":
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=secure.CONTEXT)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def cpu_seconds(self) -> float:
        """The CPU time that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The peak memory since its start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


class Ours(Server):
    """gitops-status-server with its defaults, except that the metrics have all entries."""

    def __init__(
        self, slow_disk: bool = False, keeps_history: bool = False,
        name: str = "gitops-status-server", binary: Path = TARGET / "release" / "gitops-status-server",
        with_admin_port: bool = False,
    ):  # fmt: skip
        super().__init__(name)
        self.binary = binary
        if with_admin_port:
            self.admin_port = free_port()
            self.environment["GITOPS_STATUS_ADMIN_LISTEN"] = f"127.0.0.1:{self.admin_port}"
        if keeps_history:
            for limit in ("RETENTION", "ROWS_PER_ENTRY", "MAX_BYTES"):
                self.environment[f"GITOPS_STATUS_HISTORY_{limit}"] = "0"
        self.environment["GITOPS_STATUS_METRICS_MAX_ENTRIES"] = "0"
        if slow_disk:
            self.environment["LD_PRELOAD"] = str(TARGET / "bench" / "slow_sync.so")

    def keeps_log(self) -> bool:
        return True

    def command(self) -> list[str]:
        return [
            str(self.binary),
            "--listen", f"127.0.0.1:{self.port}",
            "--database-url", f"sqlite://{self.folder}/status.db",
        ]  # fmt: skip


class OursWithTokens(Ours):
    """gitops-status-server with a file of a thousand tokens, of which `TOKEN` may report everything."""

    def __init__(self):
        super().__init__(name="gitops-status-server+tokens")

    def command(self) -> list[str]:
        tokens = [TOKEN, *(f"gss_other-{number}_{'x' * 43}" for number in range(999))]
        (self.folder / "tokens.toml").write_text("".join(map(table_of, tokens)))
        return [*super().command(), "--tokens-file", f"{self.folder}/tokens.toml"]


def table_of(token: str) -> str:
    """The table of a token that may report everything, as the file has it."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    scope = '{ repo = "*", server = "*" }'
    return f'[[token]]\nid = "{token.split("_")[1]}"\nsha256 = "{digest}"\nwrite = {scope}\n\n'


class OursWithTls(Ours):
    """gitops-status-server with a certificate, whose key is of one of the kinds in secure.KEYS."""

    scheme = "https"

    def __init__(self, key: str):
        super().__init__(name=f"gitops-status-server+{key}")
        self.key = key

    def command(self) -> list[str]:
        certificate, key = self.folder / "tls.crt", self.folder / "tls.key"
        secure.make_certificate(certificate, key, self.key)
        return [*super().command(), "--tls-cert", str(certificate), "--tls-key", str(key)]


class BareLog(Server):
    """gitops-status-server with a store that only appends."""

    def __init__(self):
        super().__init__("bare-log")

    def command(self) -> list[str]:
        return [
            str(TARGET / "release" / "examples" / "bare-log"),
            "--listen", f"127.0.0.1:{self.port}",
            "--database-url", f"sqlite://{self.folder}/updates.log",
        ]  # fmt: skip


class Go(Server):
    """A map and a mutex in Go."""

    def __init__(self):
        super().__init__("inmemory-go")

    def command(self) -> list[str]:
        return [str(TARGET / "bench" / "inmemory-go"), "-listen", f"127.0.0.1:{self.port}"]


class Flask(Server):
    """A dictionary in Flask, under gunicorn."""

    def __init__(self):
        super().__init__("inmemory-flask")
        self.environment["PYTHONPATH"] = str(ROOT / "bench" / "servers")

    def command(self) -> list[str]:
        return [
            str(TARGET / "bench" / "python" / "bin" / "gunicorn"), "--worker-class", "gthread",
            "--workers", "1", "--threads", "4", "--keep-alive", "60",
            "--bind", f"127.0.0.1:{self.port}", "inmemory:app",
        ]  # fmt: skip


class Nginx(Server):
    """nginx with files."""

    def __init__(self, files: dict[str, bytes]):
        super().__init__("nginx", "/" + next(iter(files)))
        self.files = files

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "files").mkdir(parents=True)
        for name, content in self.files.items():
            (self.folder / "files" / name).write_bytes(content)
        # nginx drops its privileges, and the parent folders may not be readable by other users.
        template = (ROOT / "bench" / "servers" / "nginx.conf").read_text()
        user = "user root;\n" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(user + template.replace("@PORT@", str(self.port)))
        self.start()
        return self

    def command(self) -> list[str]:
        return ["nginx", "-p", str(self.folder), "-c", "nginx.conf", "-e", "stderr"]


class Pushgateway(Server):
    """Prometheus' Pushgateway."""

    def __init__(self, with_file: bool):
        super().__init__("pushgateway", "/-/ready")
        self.with_file = with_file

    def command(self) -> list[str]:
        file = ["--persistence.file=state", "--persistence.interval=1s"] if self.with_file else []
        return ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{self.port}", *file]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
