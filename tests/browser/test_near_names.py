"""A name filter passes whole names; the page offers what contains the text that its reader typed or pasted."""

import pytest
from playwright.sync_api import expect

from conftest import rows


@pytest.fixture
def fleet(server):
    for repo in ("nginx", "haproxy"):
        for host in ("web-01", "web-02"):
            server.report(repo, f"{host}.fra1.example.com", [f"/etc/{repo}/{repo}.conf"], revision="cb91ce3a7f")
    server.report("chrony", "db-01.fra1.example.com")
    return server


def offer(page):
    """Returns the one offer in place of an empty list."""
    return page.locator(".offer")


def test_typing_part_of_a_server_says_that_none_is_called_so_and_offers_what_contains_it(fleet, browse):
    page = browse(fleet.address)
    page.get_by_label("Server").press_sequentially("web-01", delay=20)
    expect(offer(page)).to_have_text("No server is called web-01. 2 entries contain it: show them")
    expect(page.locator(".empty p")).to_have_count(1)
    expect(page.get_by_role("link", name="Clear filters")).to_have_count(1)
    page.get_by_role("link", name="show them").click()
    expect(page).to_have_url(fleet.address + "?server=%2Aweb-01%2A")
    assert sorted(rows(page)) == ["haproxy/web-01.fra1.example.com", "nginx/web-01.fra1.example.com"]
    expect(page.get_by_label("Server")).to_have_value("*web-01*")


@pytest.mark.parametrize(
    ("label", "typed", "said"),
    [
        ("Repo", "ngin", "No repo is called ngin. 2 entries contain it: show them"),
        ("File", "haproxy.conf", "No file is called haproxy.conf. 2 entries contain it: show them"),
        ("Server", "db", "No server is called db. 1 entry contains it: show it"),
        ("Repo", "chro,prox", "No repo is called chro or prox. 3 entries contain one of them: show them"),
    ],
)
def test_every_letter_of_a_name_leads_to_it(fleet, browse, label, typed, said):
    page = browse(fleet.address)
    page.get_by_label(label).fill(typed)
    expect(offer(page)).to_have_text(said)
    page.get_by_role("link", name="show").click()
    expect(page.locator("tbody tr")).to_have_count(int(said.split(" entr")[0].split()[-1]))


def test_without_javascript_the_offer_is_there_as_well(fleet, browse):
    page = browse(fleet.address + "?server=web-02&drifted=true", java_script_enabled=False)
    expect(offer(page)).to_have_text("With these filters, no server is called web-02. 2 entries contain it: show them")
    page.get_by_role("link", name="show them").click()
    assert len(rows(page)) == 2
    expect(page.get_by_label("Drifted")).to_have_value("true")


def test_a_part_of_a_commit_leads_to_it(fleet, browse):
    page = browse(fleet.address + "?revision=cb91ce3")
    expect(offer(page)).to_have_text("No commit is called cb91ce3. 4 entries contain it: show them")


def test_a_pasted_name_with_white_space_around_it_is_found(fleet, browse):
    page = browse(fleet.address)
    for label, pasted in (
        ("Server", " web-01.fra1.example.com\t"),
        ("Repo", "nginx , haproxy"),
        ("Text", " web-01 "),
    ):
        page.goto(fleet.address)
        page.get_by_label(label).fill(pasted)
        expect(page.locator("tbody tr").last).to_contain_text("example.com")
        expect(page.locator("tbody tr")).to_have_count(4 if label == "Repo" else 2)
    page.goto(fleet.address)
    page.get_by_label("File").fill(" /etc/nginx/nginx.conf ")
    expect(offer(page)).to_contain_text("2 entries contain /etc/nginx/nginx.conf: show them")


def test_a_name_pasted_in_another_case_is_offered_as_it_is_spelled(fleet, browse):
    page = browse(fleet.address)
    page.get_by_label("Server").fill("WEB-01.FRA1.example.com")
    expect(offer(page)).to_have_text(
        "No server is called WEB-01.FRA1.example.com. 2 entries contain web-01.fra1.example.com: show them"
    )
    page.get_by_role("link", name="show them").click()
    assert len(rows(page)) == 2


def test_several_parts_of_names_are_completed_together(fleet, browse):
    page = browse(fleet.address + "?repo=ngin&server=web-01")
    expect(offer(page)).to_have_text("No entry has exactly these names. 1 entry contains them: show it")
    page.get_by_role("link", name="show it").click()
    assert rows(page) == ["nginx/web-01.fra1.example.com"]


def test_of_several_names_the_wrong_one_is_named(fleet, browse):
    page = browse(fleet.address + "?repo=nginx&server=web-02")
    expect(offer(page)).to_have_text("With these filters, no server is called web-02. 1 entry contains it: show it")
    page.get_by_role("link", name="show it").click()
    expect(page).to_have_url(fleet.address + "?repo=nginx&server=%2Aweb-02%2A")


def test_nothing_is_offered_where_nothing_contains_it(fleet, browse):
    page = browse(fleet.address + "?server=mail")
    expect(page.get_by_role("heading", name="No entry matches")).to_be_visible()
    expect(page.get_by_text("none that these filters let pass")).to_be_visible()
    expect(offer(page)).to_have_count(0)
