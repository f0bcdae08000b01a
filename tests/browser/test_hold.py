"""Rows hold their order while the reader aims at one of them, so that a click hits what it was meant for."""

import pytest
from playwright.sync_api import expect

from conftest import AXE, rows, tile, wait_until_live

FILES = ["nginx.conf", "conf.d/tls.conf", "conf.d/limits.conf"]


@pytest.fixture
def fleet(server):
    for host in range(50):
        server.report("nginx", f"web-{host:02}")
    return server


def offer(page):
    return page.locator("#resort")


def point_at(page, name):
    """Moves the pointer to the middle of a row, and returns where it is."""
    row = page.locator("tbody tr", has_text=name)
    row.hover()
    box = row.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def server_at(page, place):
    return page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('tr')?.querySelector('.details').textContent", place
    )


def test_a_row_stays_under_the_pointer_while_a_deploy_drifts_and_heals_others(fleet, browse):
    page = browse(fleet.address + "?repo=nginx", viewport={"width": 1280, "height": 700})
    wait_until_live(page)
    for name in ("web-03", "web-30"):
        place = point_at(page, name)
        for count in (4, 9, 14):
            for host in range(31, 31 + count):
                fleet.report("nginx", f"web-{host}", FILES)
                fleet.report("nginx", f"web-{host - 31:02}", FILES) if host != 34 else None
            expect(tile(page, "drifted")).to_have_text(str(2 * count - 1))
            assert server_at(page, place) == name
        expect(page.locator("tbody tr", has_text="web-31")).to_contain_text("Drifted")
        for host in range(50):
            fleet.report("nginx", f"web-{host:02}")
        expect(tile(page, "drifted")).to_have_text("0")
        assert server_at(page, place) == name


def test_rows_have_their_order_once_the_pointer_has_left(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    point_at(page, "web-03")
    for host in range(20, 32):
        fleet.report("nginx", f"web-{host:02}", FILES)
    expect(offer(page)).to_have_text("12 rows have moved: sort again")
    assert rows(page) == [f"nginx/web-{host:02}" for host in range(50)]
    page.mouse.move(5, 5)
    expect(offer(page)).to_be_hidden()
    assert rows(page)[:13] == [*(f"nginx/web-{host:02}" for host in range(20, 32)), "nginx/web-00"]


def test_the_reader_can_have_the_rows_sorted_by_a_click_or_a_key(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    point_at(page, "web-01")
    fleet.report("nginx", "web-05", FILES)
    expect(offer(page)).to_have_text("1 row has moved: sort again")
    offer(page).click()
    expect(page.locator("tbody tr").first).to_contain_text("web-05")
    page.mouse.move(5, 5)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tbody tr", has_text="web-00")).to_be_focused()
    fleet.report("nginx", "web-09", FILES)
    expect(offer(page)).to_be_visible()
    expect(page.locator("tbody tr").nth(1)).to_contain_text("web-00")
    page.keyboard.press("s")
    expect(offer(page)).to_be_hidden()
    assert rows(page)[:3] == ["nginx/web-05", "nginx/web-09", "nginx/web-00"]
    expect(page.locator("tbody tr", has_text="web-00")).to_be_focused()


def test_a_row_that_has_gone_stays_marked_and_a_new_one_waits(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    point_at(page, "web-03")
    fleet.ask("DELETE", "/api/status?repo=nginx&server=web-01")
    fleet.report("apache", "web-99", FILES)
    expect(offer(page)).to_have_text("1 row has come, 1 has gone: sort again")
    expect(page.locator("tr.gone")).to_contain_text("web-01")
    assert len(rows(page)) == 50
    page.mouse.move(5, 5)
    expect(page.locator("tr.gone")).to_have_count(0)
    assert rows(page)[:3] == ["apache/web-99", "nginx/web-00", "nginx/web-02"]


def test_another_filter_shows_its_rows_though_the_pointer_is_over_the_table(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    point_at(page, "web-03")
    fleet.report("nginx", "web-05", FILES)
    expect(offer(page)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("web-1")
    expect(page.locator("tbody tr")).to_have_count(10)
    assert rows(page)[0] == "nginx/web-10"
    expect(offer(page)).to_be_hidden()
    expect(page.locator("tr.gone")).to_have_count(0)


def test_a_hold_ends_a_minute_after_the_reader_last_moved(fleet, browse):
    page = browse(fleet.address)
    page.clock.install()
    page.reload()
    wait_until_live(page)
    x, y = point_at(page, "web-03")
    fleet.report("nginx", "web-05", FILES)
    expect(offer(page)).to_be_visible()
    page.clock.fast_forward(50_000)
    page.mouse.move(x + 1, y)
    page.clock.fast_forward(50_000)
    expect(offer(page)).to_be_visible()
    assert rows(page)[0] == "nginx/web-00"
    page.clock.fast_forward(15_000)
    expect(offer(page)).to_be_hidden()
    expect(page.locator("tbody tr").first).to_contain_text("web-05")
    fleet.report("nginx", "web-09", FILES)
    expect(page.locator("tbody tr").nth(1)).to_contain_text("web-09")


def test_a_screen_reader_hears_that_rows_have_moved(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    point_at(page, "web-03")
    fleet.report("nginx", "web-05", FILES)
    expect(page.get_by_role("status")).to_have_text("50 entries: 1 drifted, 0 stale. 1 row has moved: sort again")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_held_row_that_left_the_list_says_so_legibly_and_shows_no_old_state(fleet, chromium, scheme):
    fleet.report("nginx", "web-01", FILES)
    fleet.report("nginx", "web-02", FILES)
    # The page's content security policy would refuse axe itself.
    page = chromium.new_context(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce").new_page()
    page.goto(fleet.address + "?drifted=true")
    wait_until_live(page)
    point_at(page, "web-02")
    fleet.report("nginx", "web-01")
    gone = page.locator("tr.gone")
    expect(gone.locator("[data-label=State]")).to_have_text("no longer in this list")
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found["violations"]] == []
    fleet.report("nginx", "web-01", FILES)
    expect(page.locator("tbody tr", has_text="web-01").locator("[data-label=State]")).to_have_text("▲ Drifted")
    expect(gone).to_have_count(0)
    page.context.close()
