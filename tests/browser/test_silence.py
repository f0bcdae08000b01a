"""The age that stands beside a state is that of the state."""

import re

from playwright.sync_api import expect

from conftest import wait_until_live


def test_a_stale_row_says_for_how_long_its_reporter_has_been_silent(server, browse):
    server.report("chrony", "web-1", stale_after_seconds=2)
    server.report("nginx", "web-1", ["nginx.conf"], stale_after_seconds=2)
    server.report("rsyslog", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    expect(page.locator(".state.stale")).to_have_count(2)
    age = page.locator("tbody tr", has_text="chrony").locator("td[data-label='In this state']")
    expect(age).to_have_text(re.compile(r"^silent for \d+ s, was in sync$"))
    expect(age).to_have_text(re.compile(r"silent for ([4-9]|\d\d) s"))
    age = page.locator("tbody tr", has_text="nginx").locator("td[data-label='In this state']")
    expect(age).to_have_text(re.compile(r"^silent for \d+ s, drifted for \d+ s$"))
    age = page.locator("tbody tr", has_text="rsyslog").locator("td[data-label='In this state since']")
    expect(age).to_have_text(re.compile(r"^\d+ s ago$"))
    page.locator("tbody tr", has_text="chrony").locator("a.details").click()
    expect(page.locator("#sentence")).to_have_text(re.compile(r"◆ Stale silent for \d+ s, was in sync$"))
    page.goto(server.address + "entry?repo=rsyslog&server=web-1")
    expect(page.locator("#sentence")).to_have_text(re.compile(r"● In sync for \d+ s$"))
