"""The page updates itself, and keeps the focus, selection and input of its reader."""

import http.client
import threading
import time

from playwright.sync_api import expect

from conftest import rows, tile, update, wait_until_live


def test_a_change_appears_in_place_and_the_numbers_agree(server, browse):
    for host in range(3):
        server.report("nginx", f"web-{host}")
    page = browse(server.address)
    wait_until_live(page)
    server.report("nginx", "web-2", ["nginx.conf"])
    expect(tile(page, "drifted")).to_have_text("1")
    assert rows(page) == ["nginx/web-2", "nginx/web-0", "nginx/web-1"]
    expect(page).to_have_title("(1 drifted) GitOps status")
    expect(page.get_by_role("status")).to_have_text("3 entries: 1 drifted, 0 stale.")
    server.ask("DELETE", "/api/status?repo=nginx&server=web-2")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(tile(page, "all")).to_have_text("2")


def test_an_entry_turns_stale_on_an_open_page(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    server.report("nginx", "web-1", stale_after_seconds=1)
    expect(page.locator(".state.stale")).to_be_visible()
    expect(tile(page, "stale")).to_have_text("1")
    expect(tile(page, "synced")).to_have_text("0")
    server.report("nginx", "web-1", stale_after_seconds=1, ttl_seconds=2)
    expect(page.get_by_role("heading", name="No entries yet")).to_be_visible()


def test_changes_obey_the_filter(server, browse):
    server.report("nginx", "web-1", ["a"])
    page = browse(server.address + "?repo=nginx&drifted=true")
    wait_until_live(page)
    server.report("rsyslog", "web-1", ["b"])
    server.report("nginx", "web-2", ["c"])
    expect(page.locator("tbody tr")).to_have_count(2)
    assert rows(page) == ["nginx/web-1", "nginx/web-2"]
    server.report("nginx", "web-1")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert rows(page) == ["nginx/web-2"]


def test_focus_selection_scroll_and_opened_details_stay(server, browse):
    for host in range(60):
        server.report("nginx", f"web-{host:02}", [f"{file}.conf" for file in range(9)])
    page = browse(server.address, viewport={"width": 1200, "height": 600})
    wait_until_live(page)
    row = page.locator("tbody tr", has_text="web-30")
    row.locator("summary").click()
    row.focus()
    page.evaluate("""() => {
        const name = document.querySelectorAll('tbody tr')[30].querySelector('.details bdi');
        getSelection().selectAllChildren(name);
        window.name = 'kept';
        document.querySelectorAll('tbody tr')[30].mine = true;
    }""")
    before = row.bounding_box()["y"]
    server.report("nginx", "web-00")
    expect(tile(page, "drifted")).to_have_text("59")
    assert page.evaluate("document.activeElement.mine"), "the same row has the focus"
    assert page.evaluate("getSelection().toString()") == "web-30"
    assert row.locator("details").get_attribute("open") is not None
    # The row above has moved to the end, so the rows below move up by one row at most.
    height = page.locator("tbody tr").first.bounding_box()["height"]
    assert abs(row.bounding_box()["y"] - before) <= height + 1


def test_typing_is_not_disturbed(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    field = page.get_by_label("Text")
    field.focus()
    server.report("nginx", "web-2")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.type("web-2")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(field).to_have_value("web-2")
    expect(field).to_be_focused()


def test_the_page_shows_a_restart_of_the_server_and_recovers(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    server.stop()
    expect(page.locator("#lamp")).to_contain_text("No answer. Last heard")
    server.start()
    server.report("nginx", "web-2", ["a"])
    wait_until_live(page)
    expect(page.locator("tbody tr")).to_have_count(2)
    server.report("nginx", "web-3", ["a"])
    expect(page.locator("tbody tr")).to_have_count(3)


def test_without_streams_the_page_polls(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    page.route("**/api/events*", lambda route: route.abort())
    page.goto(server.address)
    expect(page.locator("#lamp")).to_have_text("Looks every 5 s")
    server.report("nginx", "web-2")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_failed_fetch_is_retried_while_the_stream_is_open(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    page.route(lambda url: url == server.address, lambda route: route.abort())
    server.report("nginx", "web-2")
    expect(page.locator("#lamp")).to_contain_text("No answer. Last heard")
    page.unroute_all()
    expect(page.locator("tbody tr")).to_have_count(2)
    wait_until_live(page)


def test_a_link_clicked_right_after_typing_keeps_the_filter(server, browse):
    server.report("nginx", "web-1", ["a"])
    server.report("rsyslog", "web-1", ["a"])
    page = browse(server.address)
    wait_until_live(page)
    page.get_by_label("Repo").fill("nginx")
    expect(page).to_have_url(server.address + "?repo=nginx")
    page.locator(".tile.drifted a").click()
    expect(page).to_have_url(server.address + "?repo=nginx&drifted=true")


def test_a_storm_over_twenty_thousand_entries_leaves_the_page_usable(server, browse):
    reports = ((f"repo-{entry % 50:02}", f"host-{entry:05}") for entry in range(20_000))
    server.connection.close()
    post_all(server, reports, threads=16)
    page = browse(server.address)
    wait_until_live(page)
    assert len(rows(page)) == 100, "the rest is on further pages"
    expect(tile(page, "all")).to_have_text("20000")
    ended = threading.Event()

    def storm():
        entry = 0
        while not ended.is_set():
            began = time.monotonic()
            changes = ((f"repo-{n % 50:02}", f"host-{n:05}", ["x"]) for n in range(entry, entry + 50))
            post_all(server, changes, threads=1)
            entry = (entry + 50) % 20_000
            # Some 500 changes a second.
            ended.wait(max(0.0, 0.1 - (time.monotonic() - began)))

    weather = threading.Thread(target=storm)
    weather.start()
    try:
        expect(page.locator(".state.drifted").first).to_be_visible()
        page.get_by_label("Repo").fill("repo-07")
        expect(tile(page, "all")).to_have_text("400")
        page.get_by_label("Repo").fill("")
        expect(tile(page, "all")).to_have_text("20000")
    finally:
        ended.set()
        weather.join()
    drifted = len(server.list("?drifted=true&fields=repo"))
    expect(tile(page, "drifted")).to_have_text(str(drifted))


def post_all(server, reports, threads):
    """Posts reports over several connections at once."""
    lock, reports = threading.Lock(), iter(reports)

    def post():
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        while True:
            with lock:
                report = next(reports, None)
            if report is None:
                return connection.close()
            connection.request("POST", "/api/status", update(*report), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text

    running = [threading.Thread(target=post) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
