"""The filter is in the URL: readers can type it, share it, go back from it, and use it without JavaScript."""

import re
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import expect

from conftest import rows, tile, wait_until_live


@pytest.fixture
def fleet(server):
    server.report("nginx", "web-1", ["nginx.conf"])
    server.report("nginx", "web-2")
    server.report("rsyslog", "web-1", ["rsyslog.conf", "rsyslog.d/30-lab.conf"])
    server.report("chrony", "web-2", stale_after_seconds=1)
    return server


def test_the_worst_comes_first(fleet, browse):
    page = browse(fleet.address)
    expect(page.locator("tbody tr", has_text="chrony")).to_contain_text("Stale")
    assert rows(page) == ["nginx/web-1", "rsyslog/web-1", "chrony/web-2", "nginx/web-2"]


def test_typing_a_repo_filters_and_changes_the_url(fleet, browse):
    page = browse(fleet.address)
    page.get_by_label("Repo").fill("rsys*")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(fleet.address + "?repo=rsys*")
    expect(tile(page, "all")).to_have_text("1")
    shared = browse(page.url)
    assert rows(shared) == ["rsyslog/web-1"]
    expect(shared.get_by_label("Repo")).to_have_value("rsys*")


def test_reload_keeps_the_filter_and_one_step_back_undoes_it(fleet, browse):
    page = browse(fleet.address)
    wait_until_live(page)
    page.get_by_label("Repo").press_sequentially("nginx", delay=20)
    expect(page.locator("tbody tr")).to_have_count(2)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="web-1").click()
    expect(page.get_by_role("heading", name="nginx on web-1")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(fleet.address + "?repo=nginx")
    assert rows(page) == ["nginx/web-1", "nginx/web-2"]
    page.go_back()
    expect(page).to_have_url(fleet.address)
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.get_by_label("Repo")).to_have_value("")


def test_each_tile_links_to_as_many_entries_as_it_shows(fleet, browse):
    page = browse(fleet.address)
    expect(page.locator("tbody tr", has_text="chrony")).to_contain_text("Stale")
    for name, count in (("drifted", 2), ("stale", 1), ("synced", 1), ("all", 4)):
        expect(tile(page, name)).to_have_text(str(count))
        page.locator(f".tile.{name} a").click()
        expect(page.locator("tbody tr")).to_have_count(count)
        expect(page.locator(".tile a[aria-current]")).to_have_count(1)
        expect(page.locator(f".tile.{name} a")).to_have_attribute("aria-current", "true")


def test_a_tile_changes_over_to_its_state_and_the_others_go_on_counting(fleet, browse):
    fleet.report("rsyslog", "web-3", ["rsyslog.conf"], stale_after_seconds=1)
    page = browse(fleet.address + "?server=web-1,web-3&sort=repo")
    expect(page.locator("tbody tr", has_text="web-3")).to_contain_text("Stale")
    counts = {"drifted": "3", "stale": "1", "synced": "0", "all": "3"}
    expect(tile(page, "all")).to_have_text("3")
    page.locator(".tile.stale a").click()
    expect(page).to_have_url(fleet.address + "?server=web-1,web-3&sort=repo&stale=true")
    assert {name: tile(page, name).inner_text() for name in counts} == counts
    page.locator(".tile.drifted a").click()
    expect(page).to_have_url(fleet.address + "?server=web-1,web-3&sort=repo&drifted=true")
    assert {name: tile(page, name).inner_text() for name in counts} == counts
    page.locator(".tile.all a").click()
    expect(page).to_have_url(fleet.address + "?server=web-1,web-3&sort=repo")


def test_tiles_follow_entries_that_the_chosen_state_leaves_out(fleet, browse):
    page = browse(fleet.address + "?drifted=true")
    wait_until_live(page)
    fleet.report("chrony", "web-9")
    expect(tile(page, "all")).to_have_text("5")
    assert len(rows(page)) == 2


def test_every_active_filter_can_be_cleared(fleet, browse):
    page = browse(fleet.address)
    expect(page.get_by_role("link", name="Clear filters")).to_have_count(0)
    page.goto(fleet.address + "?stale=false&drifted=true&q=nothing-has-this")
    expect(page.get_by_role("heading", name="No entry matches")).to_be_visible()
    page.get_by_role("link", name="Clear filters").first.click()
    expect(page).to_have_url(fleet.address)
    expect(page.locator("tbody tr")).to_have_count(4)


def test_a_wrong_parameter_is_a_notice_and_the_others_still_filter(fleet, browse):
    page = browse(fleet.address + "?rpeo=x&stale=maybe&repo=nginx&sort=colour&view=big")
    notices = page.get_by_role("alert").all_inner_texts()
    assert [re.split(r"[ ;]", notice)[0] for notice in notices] == ["Unknown", "stale", "sort", "view"]
    assert rows(page) == ["nginx/web-1", "nginx/web-2"]


def test_the_links_to_json_and_csv_have_the_same_filter(fleet, browse):
    page = browse(fleet.address + "?repo=nginx&drifted=true&limit=1")
    links = {name: page.get_by_role("link", name=name).get_attribute("href") for name in ("JSON", "CSV")}
    assert links == {
        "JSON": "status.json?repo=nginx&drifted=true",
        "CSV": "status.csv?repo=nginx&drifted=true",
    }


def test_several_values_of_one_filter_are_kept(fleet, browse):
    page = browse(fleet.address + "?repo=nginx&repo=chrony&var-server=web-2")
    assert sorted(rows(page)) == ["chrony/web-2", "nginx/web-2"]
    page.get_by_label("Drifted").select_option("false")
    expect(page).to_have_url(fleet.address + "?repo=nginx&repo=chrony&server=web-2&drifted=false")
    assert sorted(rows(page)) == ["chrony/web-2", "nginx/web-2"]


def test_columns_sort_and_pages_follow_each_other(fleet, browse):
    page = browse(fleet.address + "?limit=3")
    page.get_by_role("link", name="Server").first.click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Server")
    assert rows(page) == ["nginx/web-1", "rsyslog/web-1", "chrony/web-2"]
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert rows(page) == ["nginx/web-2"]
    expect(tile(page, "all")).to_have_text("4")
    page.get_by_role("link", name="Drift", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Drift")
    assert rows(page)[0] == "rsyslog/web-1"


def test_a_link_to_a_name_with_a_comma_shows_it_alone_until_the_reader_wants_patterns(fleet, browse):
    fleet.report("nginx,chrony", "web-3")
    page = browse(fleet.address)
    page.get_by_role("link", name="nginx,chrony").click()
    assert rows(page) == ["nginx,chrony/web-3"]
    page.get_by_label("Names").select_option("lists, patterns")
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page).to_have_url(fleet.address + "?repo=nginx%2Cchrony")


def test_the_page_of_an_entry_links_to_all_entries_of_its_commit(fleet, browse):
    fleet.report("nginx", "web-2", revision="4f2a91c")
    fleet.report("rsyslog", "web-1", revision="4f2a91c")
    page = browse(fleet.address + "entry?repo=nginx&server=web-2")
    page.get_by_role("link", name="this commit").click()
    expect(page.get_by_label("Commit")).to_have_value("4f2a91c")
    assert rows(page) == ["nginx/web-2", "rsyslog/web-1"]


def test_without_javascript_the_page_can_be_read_and_filtered(fleet, browse):
    page = browse(fleet.address, java_script_enabled=False)
    assert len(rows(page)) == 4
    page.get_by_label("Repo").fill("nginx")
    page.get_by_label("Drifted").select_option("true")
    page.get_by_role("button", name="Filter").click()
    assert rows(page) == ["nginx/web-1"]
    expect(page.get_by_label("Repo")).to_have_value("nginx")
    expect(page.locator("tbody time").first).to_contain_text("ago")
    page.get_by_role("link", name="web-1").click()
    expect(page.get_by_role("heading", name="nginx on web-1")).to_be_visible()
    expect(page.get_by_text("curl -X DELETE")).to_be_visible()
    expect(page.get_by_role("button", name="Remove…")).to_have_count(0)


def test_an_empty_server_says_how_to_send_the_first_update(server, browse):
    page = browse(server.address)
    expect(page.get_by_role("heading", name="No entries yet")).to_be_visible()
    command = page.locator("pre").inner_text()
    assert f"curl -X POST {server.address}api/status " in command
    # The line is pasted into a shell as it is.
    sent = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (sent.returncode, sent.stderr) == (0, "")
    expect(page.locator("tbody tr")).to_have_count(1)
    today = datetime.now(timezone.utc)
    assert abs(today - datetime.fromisoformat(server.list()[0]["last_check"])) < timedelta(hours=1)
    refused = subprocess.run(["sh", "-c", command.replace('"repo"', '"rpeo"')], capture_output=True, text=True)
    assert refused.returncode != 0 and "Missing required field: repo" in refused.stdout


@pytest.mark.parametrize("secure", [True, False], ids=["clipboard", "no clipboard"])
def test_the_first_command_is_whole_on_the_screen_and_can_be_copied(server, browse, secure):
    page = browse(server.address, viewport={"width": 1024, "height": 800})
    # Once its stream begins, a page fetches itself again, which would undo what the button says.
    served = re.search('data-now="([^"]*)"', page.reload().text())[1]
    expect(page.locator("#live")).not_to_have_attribute("data-now", served)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not secure:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    command = page.get_by_role("region", name="Command")
    assert command.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    command.focus()
    expect(command).to_be_focused()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    reader = browse(server.address)
    reader.context.grant_permissions(["clipboard-read"])
    assert reader.evaluate("navigator.clipboard.readText()") == command.text_content()
