"""After taking an entry out, the reader is back where they were, and reads there what was done."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def fleet(server):
    for host in range(60):
        server.report("nginx", f"web-{host:02}", ["nginx.conf"])
        server.report("rsyslog", f"web-{host:02}")
    return server


def take_out(page):
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove", exact=True).click()


def test_the_reader_comes_back_to_filter_order_and_place(fleet, browse):
    address = fleet.address + "?repo=nginx&sort=-server&limit=50"
    page = browse(address, viewport={"width": 1280, "height": 600})
    page.get_by_role("link", name="web-20").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 0
    page.get_by_role("link", name="web-20").click()
    page.get_by_role("link", name="nginx.conf").first.click()
    page.go_back()
    take_out(page)
    expect(page).to_have_url(address)
    expect(page.locator("#done")).to_contain_text("nginx on web-20 has been removed.")
    expect(page.get_by_role("status")).to_have_text("nginx on web-20 has been removed.")
    expect(page.get_by_role("link", name="web-20")).to_have_count(0)
    assert page.evaluate("scrollY") == place
    page.locator("#done").get_by_role("button", name="Close").click()
    expect(page.locator("#done")).to_have_count(0)
    page.reload()
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("#done")).to_have_count(0)


def test_from_a_tab_of_its_own_the_entry_leads_back_to_the_list_too(fleet, browse):
    page = browse(fleet.address + "?repo=rsyslog")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="web-07").click(modifiers=["ControlOrMeta"])
    tab = opened.value
    take_out(tab)
    expect(tab).to_have_url(fleet.address + "?repo=rsyslog")
    expect(tab.locator("#done")).to_contain_text("rsyslog on web-07 has been removed.")


def test_one_step_back_from_the_list_is_not_the_removed_entry(fleet, browse):
    page = browse(fleet.address)
    page.goto(fleet.address + "?repo=nginx")
    page.get_by_role("link", name="web-07").click()
    take_out(page)
    expect(page.locator("#done")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(fleet.address + "?repo=nginx")
    page.go_back()
    expect(page).to_have_url(fleet.address)


def test_an_entry_opened_by_its_address_leads_to_all_entries(fleet, browse):
    page = browse(fleet.address + "entry?repo=nginx&server=web-07")
    take_out(page)
    expect(page).to_have_url(fleet.address)
    expect(page.locator("#done")).to_contain_text("nginx on web-07 has been removed.")
