"""A page whose server does not answer says so at a glance: in lamp, title, icon, colours, and on the wall."""

import re

import pytest
from playwright.sync_api import expect

from conftest import tile, wait_until_live


@pytest.fixture
def fleet(server):
    server.report("nginx", "web-1", ["nginx.conf"])
    server.report("nginx", "web-2")
    return server


def icon(page):
    return page.locator("link[rel=icon]").get_attribute("href")


def test_title_and_icon_say_that_the_server_is_gone(fleet, browse):
    page = browse(fleet.address)
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    page.reload()
    wait_until_live(page)
    usual = icon(page)
    fleet.stop()
    expect(page).to_have_title("(no answer) (1 drifted) GitOps status")
    assert icon(page) != usual
    assert fleet.address + icon(page) in loaded, "the icon was there before the server was gone"
    fleet.start()
    expect(page).to_have_title("(1 drifted) GitOps status")
    assert icon(page) == usual


def test_numbers_that_are_old_are_grey(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    colour = "number => getComputedStyle(number).color"
    live, entries = tile(page, "drifted").evaluate(colour), page.locator("footer").evaluate(colour)
    assert live != entries
    fleet.stop()
    expect(page.locator("#lamp")).to_contain_text("No answer")
    assert tile(page, "drifted").evaluate(colour) == entries
    assert page.locator(".state.drifted").evaluate(colour) == entries
    fleet.start()
    wait_until_live(page)
    assert tile(page, "drifted").evaluate(colour) == live


def test_after_a_night_the_lamp_says_when_the_server_was_last_heard(fleet, browse):
    page = browse(fleet.address, timezone_id="UTC")
    page.clock.install()
    began = page.evaluate("new Date().toISOString().slice(11, 16)")
    page.reload()
    wait_until_live(page)
    fleet.stop()
    expect(page.locator("#lamp")).to_contain_text("No answer. Last heard")
    page.clock.fast_forward(7 * 3600 * 1000)
    expect(page.locator("#lamp")).to_have_text(re.compile(r"No answer\. Last heard 7 h ago \(\d\d:\d\d\)"))
    said = page.locator("#lamp").inner_text()[-6:-1]
    assert said >= began or said == "00:00", "it is the time of the last answer"
    page.clock.fast_forward(72 * 3600 * 1000)
    expect(page.locator("#lamp")).to_have_text(re.compile(r"Last heard 3 d ago \(\d+ [A-Z][a-z]+, \d\d:\d\d\)"))


def test_a_browser_without_a_network_says_so_at_once(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    page.context.set_offline(True)
    expect(page.locator("#lamp")).to_contain_text("No network. Last heard", timeout=3000)
    expect(page).to_have_title(re.compile(r"^\(no answer\)"))
    page.context.set_offline(False)
    wait_until_live(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wall_without_its_server_is_grey_with_a_bar_across_it(fleet, browse, scheme):
    screen = {"width": 1920, "height": 1080}
    page = browse(fleet.address + "?view=wall", viewport=screen, color_scheme=scheme)
    wait_until_live(page)
    ground = "node => getComputedStyle(node).backgroundColor"
    before = [page.locator(of).evaluate(ground) for of in ("body", ".large .drifted", ".repos .tile")]
    fleet.stop()
    lamp = page.locator("#lamp")
    expect(lamp).to_contain_text("No answer. Last heard")
    after = [page.locator(of).evaluate(ground) for of in ("body", ".large .drifted", ".repos .tile")]
    assert all(old != new for old, new in zip(before, after)), "nothing keeps its colour"
    assert after[1] == after[2]
    box = lamp.bounding_box()
    assert box["width"] == screen["width"] and box["height"] > 80
    assert lamp.evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 64
    fleet.start()
    wait_until_live(page)
    assert page.locator("body").evaluate(ground) == before[0]


@pytest.mark.parametrize("size", [(1920, 1080), (390, 844), (320, 640)])
def test_the_bar_across_a_wall_hides_no_row(server, browse, size):
    for number in range(60):
        server.report(f"repo-{number:02}", "web-1")
    page = browse(server.address + "?view=wall", viewport=dict(zip(("width", "height"), size)), timezone_id="UTC")
    page.clock.install()
    page.reload()
    wait_until_live(page)
    server.stop()
    expect(page.locator("#lamp")).to_contain_text("No answer. Last heard")
    page.clock.fast_forward(72 * 3600 * 1000)
    expect(page.locator("#lamp")).to_contain_text("Last heard 3 d ago")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator(".repos .tile").last.bounding_box()
    assert last["y"] + last["height"] <= page.locator("#lamp").bounding_box()["y"]
