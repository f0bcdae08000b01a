"""Takes the pictures of the README into a folder. Run it by `scripts/screenshots`."""

import random
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from conftest import ARGUMENTS, CHROMIUM, Server
from playwright.sync_api import expect, sync_playwright

REPOS = {
    "chrony": ["chrony.conf"],
    "haproxy": ["haproxy.cfg", "errors/503.http"],
    "nginx": ["nginx.conf", "conf.d/tls.conf", "conf.d/limits.conf", "sites/shop.conf", "sites/api.conf"],
    "node-exporter": ["node-exporter.service"],
    "postgresql": ["postgresql.conf", "pg_hba.conf"],
    "rsyslog": ["rsyslog.conf", "rsyslog.d/30-lab.conf"],
    "sshd": ["sshd_config"],
}
PICTURES = {
    "overview": ("", {"width": 1200, "height": 760}, "light"),
    "overview-dark": ("?drifted=true", {"width": 1200, "height": 760}, "dark"),
    "entry": ("entry?repo=nginx&server=web-03", {"width": 1200, "height": 820}, "light"),
    "wall": ("?view=wall", {"width": 1600, "height": 900}, "dark"),
    "phone": ("?repo=nginx", {"width": 390, "height": 844}, "light"),
}


def fill(server):
    """Reports a fleet that is the same each time."""
    chance = random.Random(1)
    looked = datetime.now(timezone.utc) - timedelta(minutes=4)
    for repo, files in REPOS.items():
        for number in range(1, 10):
            has_drifted = chance.random() < 0.2 or (repo, number) == ("nginx", 3)
            others = {"stale_after_seconds": 1} if chance.random() < 0.06 else {}
            if number % 2:
                commit = f"{chance.getrandbits(160):040x}"
                others |= {"revision": commit, "url": f"https://ci.example.net/{repo}/runs/{4000 + number}"}
            listed = files[: chance.randint(1, len(files))] if has_drifted else []
            check = (looked + timedelta(seconds=7 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            if (repo, number) == ("nginx", 3):
                server.report(repo, f"web-{number:02}", files[:1], last_check=check, **others)
                server.report(repo, f"web-{number:02}", [], last_check=check, **others)
                listed = files
            server.report(repo, f"web-{number:02}", listed, last_check=check, **others)


def main(target):
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        fill(server)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (query, viewport, scheme) in PICTURES.items():
            page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
            page.goto(server.address + query)
            expect(page.locator("#lamp")).to_have_text("Live")
            page.wait_for_timeout(1500)
            page.screenshot(path=target / f"{name}.png")
        browser.close()
        server.stop()


main(Path(sys.argv[1]))
