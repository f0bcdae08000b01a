"""Accessibility: colour schemes, screen sizes, keyboard, screen readers, print, and the wall."""

import re

import pytest
from playwright.sync_api import expect

from conftest import AXE, rows, wait_until_live

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def fleet(server):
    server.report("nginx", "web-1", [f"conf.d/{file}.conf" for file in range(70)], url="https://ci/1", revision="4f1c2ab9")
    server.report("nginx", "web-2")
    server.report("rsyslog", "web-1", [], drift_count=2)
    server.report("chrony", "web-2", stale_after_seconds=1)
    server.report("chrony", "web-3", ["chrony.conf"], stale_after_seconds=1)
    return server


PAGES = {
    "overview": "",
    "selection that is empty": "?repo=none",
    "notices": "?rpeo=x",
    "wall": "?view=wall",
    "entry": "entry?repo=nginx&server=web-1",
    "unknown entry": "entry?repo=nginx&server=none",
    "file": "file?name=chrony.conf",
    "problem": "file",
}


def faults(chromium, address, viewport, scheme, first="true"):
    """Returns what axe finds wrong with a page after a script that says whether it did its work."""
    # The page's content security policy would refuse axe itself.
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    assert page.evaluate(first)
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    context.close()
    assert found["passes"], "it looked at something"
    return [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found["violations"]]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(fleet, chromium, name, viewport, scheme):
    assert faults(chromium, fleet.address + PAGES[name], viewport, scheme) == []


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_fault_in_the_page_of_an_empty_server(server, chromium, viewport):
    assert faults(chromium, server.address, viewport, "light") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_a_row_that_flashes(fleet, chromium, scheme):
    flash = """() => {
        for (const row of document.querySelectorAll("tbody tr")) {
            row.classList.add("new");
            for (const animation of row.getAnimations()) {
                animation.pause();
                animation.currentTime = 0;
            }
        }
        return document.querySelectorAll("tr.new").length;
    }"""
    assert faults(chromium, fleet.address, DESKTOP, scheme, first=flash) == []


def test_nothing_overflows_a_phone_screen(fleet, browse):
    repo, host = "r" * 255, "s" * 255
    fleet.report(repo, host, ["f" * 4096], revision="v" * 255, url="https://ci/" + "u" * 2000)
    page = browse(fleet.address, viewport=PHONE)
    targets = ("", "?view=wall", f"entry?repo={repo}&server={host}", "file?name=" + "f" * 4096)
    for target in targets:
        page.goto(fleet.address + target)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], target


def test_a_row_shows_every_fact_of_its_entry(fleet, browse):
    page = browse(fleet.address)
    row = page.locator("tbody tr", has_text="nginx").first
    expect(row).to_contain_text("▲ Drifted")
    assert row.locator(".files > ul li").count() == 3
    expect(row.locator("summary")).to_have_text("67 more")
    row.locator("summary").click()
    expect(row.get_by_role("link", name="and 20 others")).to_be_visible()
    expect(row.locator("code")).to_have_text("4f1c2ab9")
    shown = fleet.list("?server=web-1&repo=nginx")[0]
    times = row.locator("time").evaluate_all("times => times.map(time => time.title)")
    assert times == [shown["drifted_since"], shown["last_check"], shown["updated_at"]]
    by_count = page.locator("tbody tr", has_text="rsyslog")
    expect(by_count).to_contain_text("Drifted said SYNCED")
    both = page.locator("tbody tr", has_text="web-3")
    expect(both).to_contain_text("▲ Drifted")
    expect(both).to_contain_text("◆ Stale")


def test_everything_works_by_keyboard(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("nginx")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Text")).to_have_value("nginx")
    expect(page).to_have_url(fleet.address + "?q=nginx")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tbody tr").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="nginx on web-1")).to_be_visible()
    page.go_back()
    page.keyboard.press("c")
    expect(page).to_have_url(fleet.address)


def test_a_jump_to_the_content_does_not_load_a_page(fleet, browse):
    page = browse(fleet.address + "?repo=nginx")
    wait_until_live(page)
    page.evaluate("window.mine = true")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    fleet.report("nginx", "web-7")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert page.evaluate("window.mine"), "it was not loaded anew"


def test_the_wall_shows_large_tiles_without_controls_and_stays_live(fleet, browse):
    page = browse(fleet.address + "?view=wall", viewport={"width": 1600, "height": 900})
    wait_until_live(page)
    expect(page.locator("form, button, input")).to_have_count(0)
    expect(page.locator(".repos .tile").first).to_contain_text("nginx")
    fleet.report("haproxy", "web-9", ["haproxy.cfg"])
    expect(page.locator(".repos .tile", has_text="haproxy")).to_contain_text("1 of 1 drifted")
    drifted = len(fleet.list("?drifted=true"))
    expect(page.locator(".large .drifted b")).to_have_text(str(drifted))
    height = page.locator(".large b").first.evaluate("tile => tile.getBoundingClientRect().height")
    assert height > 80, "it can be read from across a room"


def test_a_printed_page_has_the_list_and_no_controls(fleet, browse):
    page = browse(fleet.address)
    page.emulate_media(media="print")
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator("#lamp")).to_be_hidden()
    expect(page.locator("table")).to_be_visible()
    assert rows(page)
    expect(page.locator(".paper")).to_contain_text("As of 20")
    expect(page.locator(".paper")).not_to_contain_text("entries")


def test_paper_has_one_time_to_the_minute_for_each_row(fleet, browse):
    page = browse(fleet.address)
    page.emulate_media(media="print")
    row = page.locator("tbody tr", has_text="rsyslog")
    time = row.locator("td:visible time")
    expect(time).to_have_count(1)
    size, content = time.evaluate("time => [getComputedStyle(time).fontSize, getComputedStyle(time, '::after').content]")
    assert size == "0px", "no age is printed"
    minute = time.get_attribute("data-minute")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", minute) and content in (f'"{minute}"', "attr(data-minute)")
    assert page.locator("thead th:visible").count() == row.locator("td:visible, th:visible").count() == 7


def test_paper_has_the_files_behind_more_and_says_first_which_part_of_the_list_it_is(fleet, browse):
    page = browse(fleet.address + "?limit=2")
    hidden = page.get_by_role("link", name="conf.d/12.conf")
    expect(hidden).to_be_hidden()
    page.emulate_media(media="print")
    expect(hidden).to_be_visible()
    expect(page.locator("summary").first).to_be_hidden()
    expect(page.locator(".paper")).to_contain_text("UTC: entries 1 to 2 of 5")


def test_a_file_shows_where_it_has_drifted(fleet, browse):
    fleet.report("haproxy", "web-7", ["chrony.conf", "other"])
    page = browse(fleet.address + "file?name=chrony.conf")
    expect(page.get_by_text("2 drifted entries list this file: 2 repos, 2 servers.")).to_be_visible()
    assert rows(page) == ["chrony/web-3", "haproxy/web-7"]


def test_the_history_of_an_entry_is_on_its_page(fleet, browse):
    fleet.report("nginx", "web-2", ["a.conf"])
    fleet.report("nginx", "web-2", ["b.conf"])
    fleet.report("nginx", "web-2")
    page = browse(fleet.address + "entry?repo=nginx&server=web-2")
    events = page.locator(".history tbody .state").all_inner_texts()
    assert events == ["synced", "changed", "drifted", "first"]
    second = page.locator(".history tbody tr").nth(1)
    expect(second).to_contain_text("b.conf")
    expect(second).to_contain_text("a.conf")


def test_a_long_history_has_a_link_to_older_changes(server, browse):
    for turn in range(60):
        server.report("nginx", "web-1", ["a"] if turn % 2 else [])
    page = browse(server.address + "entry?repo=nginx&server=web-1")
    assert page.locator(".history tbody tr").count() == 50
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".history tbody tr")).to_have_count(10)
    expect(page.locator(".history tbody tr").last).to_contain_text("first")
    page.get_by_role("link", name="Newest").click()
    expect(page.locator(".history tbody tr")).to_have_count(50)


def test_reduced_motion_is_respected(fleet, browse):
    page = browse(fleet.address, reduced_motion="reduce")
    wait_until_live(page)
    page.evaluate("document.querySelector('tbody tr').classList.add('new')")
    assert page.locator("tr.new").first.evaluate("row => getComputedStyle(row).animationName") == "none"
