"""Takes the pictures of the documents into a folder: the fleet of `demo`. Run it by `scripts/screenshots`."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from conftest import ARGUMENTS, CHROMIUM, ROOT
from playwright.sync_api import expect, sync_playwright

# At the speed of the clock, little moves while a picture is taken.
DEMO = [ROOT / "target/debug/gitops-status-server", "demo", "--speed", "1"]


def eventful_entry(address):
    """Returns the page of a drifted entry whose history has the most changes."""
    with urlopen(f"{address}status.json?drifted=true&stale=false&sort=-drift_count&limit=20") as answer:
        entries = json.load(answer)

    def page(entry):
        return urlencode({"repo": entry["repo"], "server": entry["server"]})

    def changes(entry):
        with urlopen(f"{address}api/history?literal=true&{page(entry)}") as answer:
            return len(json.load(answer)["items"])

    return f"entry?{page(max(entries, key=changes))}"


def pictures(address):
    """Returns the path, the size and the colours of each picture."""
    return {
        "overview": ("", {"width": 1200, "height": 760}, "light"),
        "entry": (eventful_entry(address), {"width": 1200, "height": 820}, "light"),
        "wall": ("?view=wall", {"width": 1600, "height": 900}, "dark"),
    }


def main(target):
    target.mkdir(parents=True, exist_ok=True)
    demo = subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True)
    address = demo.stdout.readline().split()[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (path, viewport, scheme) in pictures(address).items():
            page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
            page.goto(address + path)
            expect(page.locator("#lamp")).to_have_text("Live")
            page.wait_for_timeout(1500)
            page.screenshot(path=target / f"{name}.png")
        browser.close()
    demo.terminate()
    assert demo.wait(20) == 0


main(Path(sys.argv[1]))
