"""The pages in a real browser: the kit that the tests share.

The server is the debug build, the browser is Debian's Chromium. Tests wait for conditions and never
sleep. Whatever a page writes to the console, or asks of another host, fails its test.
"""

import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    # Tests may run as root, and the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Names of other sites, and one of ours that is not of this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

expect.set_options(timeout=15_000)


def update(repo, server, files=(), **others):
    """Returns an update as JSON; the server has drifted if files differ."""
    return json.dumps({
        "repo": repo,
        "server": server,
        "sync_status": "OUT_OF_SYNC" if files else "SYNCED",
        "drift_count": len(files),
        "files": [{"name": name} for name in files],
        "last_check": "2026-04-21T10:32:15Z",
    } | others)


class Server:
    """A running server with a database of its own."""

    def __init__(self, folder):
        self.database = folder / "status.db"
        # Bound for as long as the test runs, so that no other one gets the port during a restart.
        self.place = socket.socket()
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]
        # The token that this client sends, if it has one.
        self.token = None
        self.start()

    def start(self, *arguments):
        """Starts the program on its port."""
        command = [
            ROOT / "target/debug/gitops-status-server",
            f"--listen=127.0.0.1:{self.port}",
            f"--database-url=sqlite://{self.database}",
            *arguments,
        ]
        environment = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            if f"Listening on http://127.0.0.1:{self.port}" in line:
                break
        else:
            pytest.fail("the server did not start: " + "".join(said))
        # The log is not needed from now on, but the pipe must not fill.
        self.drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        self.process.stderr.close()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def stop(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.drain.wait(20)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def report(self, repo, server, files=(), **others):
        """Posts an update that has to be accepted."""
        status, text = self.ask("POST", "/api/status", update(repo, server, files, **others))
        assert status == 200, text

    def ask(self, method, target, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request(method, target, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def wait_for_status(self, wanted, target, token):
        """Waits until a request with a token has this answer, since the server looks at its file at times."""
        own, self.token = self.token, token
        deadline = time.monotonic() + 15
        while self.ask("GET", target)[0] != wanted:
            assert time.monotonic() < deadline, f"{target} is not answered {wanted}"
            time.sleep(0.05)
        self.token = own

    def list(self, query=""):
        status, text = self.ask("GET", f"/status.json{query}")
        assert status == 200, text
        return json.loads(text)


class Tokens:
    """A file of tokens, which changes while the server reads it."""

    def __init__(self, path):
        self.path = path
        self.tables = {}
        self.write()

    def add(self, name, *rights, text=None):
        """Adds a token with these rights, as lines of the file; returns its text."""
        text = text or f"gss_{name}_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.tables[name] = [f'id = "{name}"', f'sha256 = "{digest}"', *rights]
        self.write()
        return text

    def remove(self, name):
        del self.tables[name]
        self.write()

    def write(self):
        content = "\n".join("\n".join(["[[token]]", *lines]) for lines in self.tables.values())
        fresh = self.path.with_suffix(".new")
        # Without tokens, an empty file would be taken for one that is being written.
        fresh.write_text((content or "token = []") + "\n")
        fresh.rename(self.path)


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path)
    yield running
    if running.process.poll() is None:
        running.stop()
    running.place.close()


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium):
    """Opens pages in windows of their own: `browse(address, color_scheme="dark", ...)`."""
    contexts, complaints = [], []

    def note(message):
        # Some tests cut the network on purpose, which the browser reports as an error.
        if message.type in ("error", "warning") and "net::ERR_" not in message.text:
            complaints.append(message.text)

    def open_page(address, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(address).netloc
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith(f"http://{host}/") or complaints.append(f"asked {request.url}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def rows(page):
    """Returns `repo/server` of every row shown."""
    # A click returns before the page that it leads to is complete.
    page.wait_for_load_state("domcontentloaded")
    return page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('[data-label=Repo], [data-label=Server]')]"
        ".map(cell => cell.textContent.trim()).join('/'))"
    )


def tile(page, name):
    """Returns the number on a tile."""
    return page.locator(f".tile.{name} b")


def wait_until_live(page):
    expect(page.locator("#lamp")).to_have_text("Live")


def sideways(page):
    """Returns how many pixels a page scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
