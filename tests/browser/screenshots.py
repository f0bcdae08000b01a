"""Takes the pictures of the README into a folder. Run it by `scripts/screenshots`."""

import hashlib
import sqlite3
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from conftest import ARGUMENTS, CHROMIUM, Server
from playwright.sync_api import expect, sync_playwright

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

WEB = [f"web-{number:02}" for number in range(1, 7)]
DATABASES = [f"db-{number:02}" for number in range(1, 4)]
BALANCERS = [f"lb-{number:02}" for number in range(1, 3)]
EVERYWHERE = WEB + DATABASES + BALANCERS
FLEET = {
    "chrony": EVERYWHERE,
    "haproxy": BALANCERS,
    "nginx": WEB,
    "node-exporter": EVERYWHERE,
    "postgresql": DATABASES,
    "rsyslog": EVERYWHERE,
    "sshd": EVERYWHERE,
}
# What each entry has been through: how long ago, and the files that differed from then on.
LIVES = {
    ("nginx", "web-03"): [
        (6 * DAY, ["conf.d/tls.conf"]),
        (6 * DAY - 2 * HOUR, []),
        (11 * HOUR, ["nginx.conf"]),
        (9 * HOUR, ["nginx.conf", "conf.d/limits.conf", "conf.d/tls.conf", "sites/api.conf", "sites/shop.conf"]),
    ],
    ("nginx", "web-05"): [(38 * MINUTE, ["conf.d/tls.conf"])],
    ("postgresql", "db-02"): [(5 * DAY, ["pg_hba.conf", "postgresql.conf"])],
    ("rsyslog", "web-02"): [(12 * MINUTE, ["rsyslog.d/30-lab.conf"])],
    ("sshd", "lb-01"): [(26 * HOUR, ["sshd_config"])],
}
SILENT_FOR = {("haproxy", "lb-02"): 3 * HOUR, ("node-exporter", "db-03"): 7 * HOUR}
PICTURES = {
    "overview": ("", {"width": 1200, "height": 760}, "light"),
    "overview-dark": ("?drifted=true", {"width": 1200, "height": 760}, "dark"),
    "entry": ("entry?repo=nginx&server=web-03", {"width": 1200, "height": 820}, "light"),
    "wall": ("?view=wall", {"width": 1600, "height": 900}, "dark"),
    "phone": ("?repo=nginx", {"width": 390, "height": 844}, "light"),
}


def digest(*parts):
    return hashlib.sha1("/".join(parts).encode()).hexdigest()


def fill(server):
    """Reports a fleet that is the same each time, and lets its past begin two weeks ago."""
    now = time.time()
    pasts = {}
    for repo, servers in FLEET.items():
        for name in servers:
            mark = int(digest(repo, name), 16)
            heard = SILENT_FOR.get((repo, name), 2 * MINUTE + mark % 540)
            life = [(13 * DAY + mark % DAY - 12 * HOUR, []), *LIVES.get((repo, name), [])]
            # cron checks this repository: its reports name neither a commit nor a run.
            run = {} if repo == "chrony" else {
                "revision": digest(repo),
                "url": f"https://ci.example.net/{repo}/runs/{4000 + mark % 1000}",
            }
            check = datetime.fromtimestamp(now - heard - 4, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            for _, files in life:
                server.report(repo, name, files, last_check=check, **run)
            pasts[repo, name] = ([(now - ago, files) for ago, files in life], now - heard)
    server.stop()
    age(server.database, pasts)
    server.start()


def age(database, pasts):
    """Sets the times that would be stored if the reports had come when they should have."""
    store = sqlite3.connect(database)
    for pair, (life, heard) in pasts.items():
        ids = store.execute("select id from transitions where repo = ? and server = ? order by id", pair).fetchall()
        for (row,), (at, _) in zip(ids, life, strict=True):
            store.execute("update transitions set at = ? where id = ?", (int(1000 * at), row))
        synced = max(place for place, (_, files) in enumerate(life) if not files)
        drifted = [int(1000 * at) for at, _ in life[synced + 1 :]]
        since = drifted[0] if drifted else int(1000 * life[synced][0])
        store.execute(
            "update entries set updated_at = ?, status_since = ?, drifted_since = ? where repo = ? and server = ?",
            (int(1000 * heard), since, drifted[0] if drifted else None, *pair),
        )
    store.commit()
    store.close()


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
