"""Screens of every size: nothing leaves its place, and fingers hit what they point at."""

import pytest
from playwright.sync_api import expect

from conftest import sideways, wait_until_live


@pytest.fixture
def fleet(server):
    names = ["nginx.conf", "conf.d/tls.conf", "conf.d/limits.conf", "sites-enabled/shop.example.com.conf"]
    for number in range(1, 41):
        files = names[: number % 5] if number < 9 else []
        others = {"revision": f"{number:040x}", "url": f"https://ci.example.net/runs/{number}"}
        if number % 7 == 0:
            others["stale_after_seconds"] = 1
        server.report("nginx", f"web-{number:02}.fra1.example.com", files, **others)
    return server


@pytest.mark.parametrize("width", [320, 390, 761, 800, 1024, 1280, 1920, 2560])
def test_numbers_of_many_digits_stay_on_their_tiles_of_the_wall(fleet, browse, width):
    page = browse(fleet.address + "?view=wall", viewport={"width": width, "height": 1080})
    assert page.locator(".large").get_attribute("class").split() == ["tiles", "large", "digits-2"]
    for count in (20_000, 1_000_000):
        over = page.evaluate("""count => {
            const list = document.querySelector(".large");
            list.className = `tiles large digits-${String(count).length}`;
            const ends = [...list.querySelectorAll("b")].map((number) => {
                number.textContent = count;
                const range = document.createRange();
                range.selectNodeContents(number);
                const edge = number.closest(".tile").getBoundingClientRect().right;
                return range.getBoundingClientRect().right - edge;
            });
            return Math.max(...ends);
        }""", count)
        assert over < 0, f"{count} leaves its tile by {over} px"
        assert sideways(page) <= 0


@pytest.mark.parametrize("width", [320, 390, 761, 800, 860, 861, 900, 1000, 1088, 1100, 1200, 1280])
def test_no_page_scrolls_sideways(fleet, browse, width):
    page = browse(fleet.address, viewport={"width": width, "height": 800})
    for target in ("", "?view=wall", "entry?repo=nginx&server=web-07.fra1.example.com", "file?name=nginx.conf"):
        page.goto(fleet.address + target)
        assert sideways(page) <= 0, target


@pytest.mark.parametrize("key", ["k", "Shift+Tab"])
def test_the_row_that_has_the_focus_is_not_under_the_heads_of_columns(fleet, browse, key):
    page = browse(fleet.address, viewport={"width": 1280, "height": 500})
    wait_until_live(page)
    for _ in range(30):
        page.keyboard.press("j")
    for _ in range(60 if key == "Shift+Tab" else 25):
        page.keyboard.press(key)
        covered = page.evaluate("""() => {
            const heads = document.querySelector("thead th").getBoundingClientRect();
            const focused = document.activeElement.getBoundingClientRect();
            return document.activeElement.closest("tbody") ? heads.bottom - focused.top : 0;
        }""")
        assert covered <= 0, f"{covered} px of it are covered"


def test_a_repo_that_no_filter_can_name_has_two_lines_on_the_wall(server, browse):
    server.report("a,b", "web-1", ["a.conf"])
    page = browse(server.address + "?view=wall&server=web-*")
    tile = page.locator(".repos .tile")
    assert tile.locator("a").count() == 0
    count, oldest = (line.bounding_box() for line in tile.locator("div > span").all())
    assert oldest["y"] >= count["y"] + count["height"]


def test_on_a_phone_links_are_large_enough_for_a_finger_and_fields_do_not_zoom(fleet, browse):
    fleet.report("nginx", "web-01.fra1.example.com", [f"{number}.conf" for number in range(9)])
    page = browse(fleet.address, viewport={"width": 390, "height": 844})
    sizes = page.locator("input, select").evaluate_all("fields => fields.map(field => parseFloat(getComputedStyle(field).fontSize))")
    assert sizes and min(sizes) >= 16
    for target in ("", "?stale=true&limit=2", "?q=none", "entry?repo=nginx&server=web-01.fra1.example.com", "file?name=nginx.conf"):
        page.goto(fleet.address + target)
        small = page.locator("a:visible:not(.skip), button:visible, summary:visible, input:visible, select:visible").evaluate_all(
            "places => places.filter(place => place.getBoundingClientRect().height < 24).map(place => place.outerHTML)"
        )
        assert small == [], target


def lines(page, selector):
    """Returns on how many lines each of some texts stands."""
    return page.locator(selector).evaluate_all("texts => texts.map(text => text.getClientRects().length)")


@pytest.mark.parametrize("width", [1121, 1280, 1440])
def test_a_usual_name_of_a_server_stands_on_one_line(fleet, browse, width):
    for place in ("ams2", "fra1"):
        fleet.report("unattended-upgrades", f"kafka-14.{place}.example.com", ["sites-enabled/shop.example.com.conf"], stale_after_seconds=1)
    page = browse(fleet.address, viewport={"width": width, "height": 900})
    assert set(lines(page, "[data-label=Server] bdi")) == {1}
    assert sideways(page) <= 0


def test_state_and_repo_of_a_card_stand_on_one_line(fleet, browse):
    page = browse(fleet.address, viewport={"width": 800, "height": 900})
    bottoms = page.locator("tbody tr").evaluate_all("""rows => rows.map(row => ["State", "Repo"].map(label => {
        const range = document.createRange();
        range.selectNodeContents(row.querySelector(`[data-label=${label}]`).querySelector(".state, bdi").lastChild);
        return range.getBoundingClientRect().bottom;
    }))""")
    assert bottoms and all(abs(state - repo) < 1 for state, repo in bottoms)


def test_on_a_phone_the_first_command_is_whole_and_is_copied_exactly(server, browse):
    command = "node => node.textContent"
    wide = browse(server.address, viewport={"width": 1280, "height": 900}).locator("#first")
    narrow = browse(server.address, viewport={"width": 390, "height": 844}).locator("#first")
    assert narrow.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    selected = narrow.evaluate("node => { getSelection().selectAllChildren(node); return String(getSelection()); }")
    without_time = lambda text: [line for line in text.splitlines() if "last_check" not in line]
    assert without_time(selected) == without_time(wide.evaluate(command)), "no end of a line is added"


def test_on_a_phone_a_note_of_a_tile_is_not_broken(fleet, browse):
    fleet.report("nginx", "web-50", ["a.conf"], stale_after_seconds=1)
    page = browse(fleet.address + "?stale=true", viewport={"width": 390, "height": 844})
    expect(page.locator(".tile small")).to_have_text("2 drifted")
    assert set(lines(page, ".tile small")) == {1}


def test_the_outline_of_the_chosen_tile_is_around_all_of_it(fleet, browse):
    chosen = browse(fleet.address).locator(".tile:has([aria-current])")
    expect(chosen).to_have_count(1)
    expect(chosen).to_have_css("outline-style", "solid")
    expect(chosen.locator("a")).to_have_css("outline-style", "none")


def test_a_number_on_the_wall_is_not_parted_from_its_word(fleet, browse):
    fleet.report("nginx", "web-50", ["a.conf"])
    page = browse(fleet.address + "?view=wall")
    count = page.locator(".repos .tile span", has_text="stale").last
    expect(count).to_have_text("5 stale")
    expect(count).to_have_css("white-space", "nowrap")
