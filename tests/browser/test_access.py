"""Tokens in a browser: signing in, what the reader may do, and what the page says once the token has ended."""

import pytest
from playwright.sync_api import Error, expect

from conftest import Tokens, rows, sideways, wait_until_live


class Prompts:
    """Stands for the reader in front of the browser's password dialog: `None` closes it."""

    def __init__(self, page, password):
        self.password = password
        self.asked = []
        self.session = page.context.new_cdp_session(page)
        self.session.on("Fetch.authRequired", self.answer)
        self.session.on("Fetch.requestPaused", lambda event: self.send("Fetch.continueRequest", event))
        self.session.send("Fetch.enable", {"handleAuthRequests": True})

    def send(self, method, event, **others):
        try:
            self.session.send(method, {"requestId": event["requestId"]} | others)
        except Error:
            # The page has given the request up meanwhile.
            pass

    def answer(self, event):
        self.asked.append(event["request"]["url"])
        again = self.asked.count(self.asked[-1]) > 20
        if self.password is None or again:
            response = {"response": "CancelAuth"}
        else:
            response = {"response": "ProvideCredentials", "username": "x", "password": self.password}
        self.send("Fetch.continueWithAuth", event, authChallengeResponse=response)


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "tokens.toml")


@pytest.fixture
def fleet(server, tokens):
    """A server with tokens and open reads."""
    server.token = tokens.add("ci", 'write = { repo = "*", server = "*" }', "read = true")
    server.stop()
    server.start(f"--tokens-file={tokens.path}")
    server.report("nginx", "web-1", ["nginx.conf"])
    server.report("rsyslog", "web-1")
    return server


@pytest.fixture
def closed(fleet, tokens):
    """A server that needs a token to read too."""
    fleet.stop()
    fleet.start(f"--tokens-file={tokens.path}", "--require-read-token")
    return fleet


@pytest.fixture
def visit(chromium):
    """Opens a page for a reader who has a token: `visit(address, password, ...)`."""
    contexts = []

    def open_page(address, password, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        prompts = Prompts(page, password)
        page.goto(address)
        return page, prompts

    yield open_page
    for context in contexts:
        context.close()


ENTRY = "entry?repo=nginx&server=web-1"


def remove(page):
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove", exact=True).click()


def test_a_server_that_needs_a_token_to_read_makes_the_browser_ask_for_it_once(closed, visit):
    page, prompts = visit(closed.address, closed.token)
    wait_until_live(page)
    assert rows(page) == ["nginx/web-1", "rsyslog/web-1"]
    expect(page.locator("#account")).to_have_text("Signed in as ci Change")
    assert page.locator("body").evaluate("body => getComputedStyle(body).marginTop") == "0px", "it has its style"
    closed.report("chrony", "web-1")
    expect(page.locator("tbody tr")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "chrony" in download.value.path().read_text()
    page.get_by_role("link", name="nginx", exact=True).click()
    page.get_by_role("link", name="web-1").click()
    wait_until_live(page)
    page.get_by_role("link", name="nginx.conf").first.click()
    wait_until_live(page)
    page.goto(closed.address + "?view=wall")
    wait_until_live(page)
    assert len(prompts.asked) == 1


def test_without_a_token_there_is_nothing_to_read_but_how_to_sign_in(closed, visit):
    page, prompts = visit(closed.address, None)
    expect(page.get_by_role("heading", name="Unauthorized")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("any user name")
    assert "nginx" not in page.content()
    assert page.locator("body").evaluate("body => getComputedStyle(body).marginTop") == "0px", "it has its style"
    assert len(prompts.asked) == 1
    prompts.password = closed.token
    page.locator("main").get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(closed.address)
    wait_until_live(page)
    assert len(prompts.asked) == 2


def test_a_reader_signs_in_to_remove_an_entry_and_is_back_at_it(fleet, tokens, visit):
    admin = tokens.add("admin", 'delete = { repo = "nginx", server = "*" }')
    fleet.stop()
    fleet.start(f"--tokens-file={tokens.path}")
    page, prompts = visit(fleet.address + "?repo=nginx", admin)
    wait_until_live(page)
    page.get_by_role("link", name="web-1").click()
    expect(page.locator("#needed")).to_contain_text("takes a token with the right delete")
    expect(page.get_by_role("button", name="Remove…")).to_have_count(0)
    assert prompts.asked == []
    page.locator("#needed").get_by_role("link", name="sign in").click()
    expect(page).to_have_url(fleet.address + ENTRY)
    expect(page.locator("#account")).to_have_text("Signed in as admin Change")
    remove(page)
    expect(page.locator("#done")).to_contain_text("nginx on web-1 has been removed.")
    expect(page.locator("#account")).to_have_text("Signed in as admin Change")
    assert [entry["repo"] for entry in fleet.list()] == ["rsyslog"]
    assert len(prompts.asked) == 1


def test_signing_in_leads_back_to_what_the_reader_has_filtered_by(fleet, visit):
    page, _ = visit(fleet.address, fleet.token)
    wait_until_live(page)
    page.get_by_label("Text").fill("nginx é&#?")
    expect(page.get_by_role("heading", name="No entry matches")).to_be_visible()
    address = page.url
    page.get_by_role("link", name="Sign in").click()
    expect(page.locator("#account")).to_contain_text("Signed in as ci")
    assert page.url == address
    expect(page.get_by_label("Text")).to_have_value("nginx é&#?")


def test_a_token_without_the_right_is_changed_for_one_that_has_it(fleet, tokens, visit):
    admin = tokens.add("admin", 'delete = { repo = "nginx", server = "*" }')
    fleet.stop()
    fleet.start(f"--tokens-file={tokens.path}")
    page, prompts = visit(fleet.address + ENTRY, fleet.token)
    page.locator("#account").get_by_role("link", name="Sign in").click()
    expect(page.locator("#needed")).to_contain_text("The token ci has no right delete for it")
    prompts.password = admin
    page.get_by_role("link", name="sign in with another one").click()
    expect(page.locator("#account")).to_contain_text("Signed in as admin")
    expect(page.get_by_role("button", name="Remove…")).to_be_visible()
    expect(page).to_have_url(fleet.address + ENTRY)


def test_closing_the_dialog_when_changing_the_token_signs_out(fleet, visit):
    page, prompts = visit(fleet.address, fleet.token)
    page.get_by_role("link", name="Sign in").click()
    expect(page.locator("#account")).to_contain_text("Signed in as ci")
    prompts.password = None
    page.get_by_role("link", name="Change").click()
    page.get_by_role("link", name="All entries").click()
    expect(page.locator("#account")).to_have_text("Sign in")


def test_a_removal_with_a_token_that_has_just_ended_says_so(fleet, tokens, visit):
    admin = tokens.add("admin", 'delete = { repo = "*", server = "*" }')
    fleet.stop()
    fleet.start(f"--tokens-file={tokens.path}")
    page, prompts = visit(fleet.address + ENTRY, admin)
    page.locator("#account").get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name="Remove…").click()
    tokens.remove("admin")
    fleet.wait_for_status(401, "/login", admin)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The token is not valid")
    assert len(fleet.list()) == 2
    assert len(prompts.asked) == 1


@pytest.mark.parametrize("view", ["", "?repo=nginx", "?view=wall", ENTRY, "file?name=nginx.conf"])
def test_a_page_whose_token_has_ended_asks_to_sign_in_again_and_opens_no_dialog(closed, tokens, visit, view):
    page, prompts = visit(closed.address + view, closed.token)
    wait_until_live(page)
    title = page.title()
    other = tokens.add("other", "read = true")
    tokens.remove("ci")
    lamp = page.locator("#lamp")
    expect(lamp).to_have_text("Sign in again")
    expect(page).to_have_title(f"(signed out) {title}")
    expect(page.locator("#account")).to_be_hidden()
    assert len(prompts.asked) == 1, "only when the page was opened"
    prompts.password = other
    lamp.get_by_role("link").click()
    wait_until_live(page)
    expect(page).to_have_url(closed.address + view)
    expect(page).to_have_title(title)
    if view != "?view=wall":
        expect(page.locator("#account")).to_be_visible()
        expect(page.locator("#account")).to_have_text("Signed in as other Change")
    assert len(prompts.asked) == 2


def pass_time(page, minutes):
    """Lets minutes pass for the page, so slowly that each of its requests is answered in time."""
    for _ in range(minutes * 12):
        page.clock.run_for(5_000)
        page.evaluate("fetch('livez').then(answer => answer.text())")


def test_a_page_whose_token_has_ended_looks_again_once_a_minute(closed, tokens, visit):
    page, prompts = visit("about:blank", closed.token)
    page.clock.install()
    page.goto(closed.address)
    wait_until_live(page)
    tokens.remove("ci")
    expect(page.locator("#lamp")).to_have_text("Sign in again")
    asked = []
    page.on("request", lambda request: request.url.endswith("/livez") or asked.append(request.url))
    pass_time(page, minutes=10)
    assert set(asked) == {closed.address}, "the page alone, and no stream"
    assert 9 <= len(asked) <= 10, asked
    expect(page.locator("#lamp")).to_have_text("Sign in again")
    assert len(prompts.asked) == 1, "only when the page was opened"


def test_a_page_whose_token_has_ended_goes_on_without_it_where_everybody_reads(fleet, tokens, visit):
    page, prompts = visit("about:blank", tokens.add("other"))
    fleet.wait_for_status(303, "/login", prompts.password)
    page.clock.install()
    page.goto(fleet.address + "login?to=" + ENTRY.replace("?", "%3F").replace("&", "%26"))
    wait_until_live(page)
    expect(page.locator("#account")).to_have_text("Signed in as other Change")
    tokens.remove("other")
    fleet.wait_for_status(401, "/login", prompts.password)
    pass_time(page, minutes=3)
    wait_until_live(page)
    expect(page.locator("#account")).to_have_text("Sign in")
    assert len(prompts.asked) == 1, "only to sign in"


def test_a_page_whose_token_has_ended_is_live_again_after_signing_in_elsewhere(closed, tokens, visit):
    page, prompts = visit("about:blank", closed.token)
    page.clock.install()
    page.goto(closed.address)
    wait_until_live(page)
    other = tokens.add("other", "read = true")
    tokens.remove("ci")
    expect(page.locator("#lamp")).to_have_text("Sign in again")
    elsewhere = page.context.new_page()
    Prompts(elsewhere, other)
    elsewhere.goto(closed.address + ENTRY)
    wait_until_live(elsewhere)
    pass_time(page, minutes=2)
    wait_until_live(page)
    expect(page.locator("#account")).to_have_text("Signed in as other Change")
    assert len(prompts.asked) == 1, "only when the page was opened"


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("view", ["", ENTRY])
def test_the_head_is_one_line_with_the_lamp_at_the_right(fleet, tokens, visit, view, width):
    name = "gitlab-admin.of-the-platform-team-2027-4"
    assert len(name) == 40
    password = tokens.add(name)
    fleet.wait_for_status(303, "/login", password)
    page, _ = visit(fleet.address + view, password, viewport={"width": width, "height": 700})

    def check():
        shown = page.locator("header > *:visible")
        boxes = [part.bounding_box() for part in shown.all()]
        tops, ends = [box["y"] for box in boxes], [box["y"] + box["height"] for box in boxes]
        assert max(tops) < min(ends), "side by side"
        assert all(left["x"] + left["width"] <= right["x"] for left, right in zip(boxes, boxes[1:]))
        right = page.locator("header").evaluate("head => head.getBoundingClientRect().right")
        assert abs(boxes[-1]["x"] + boxes[-1]["width"] - right) < 1
        assert page.locator("header").bounding_box()["height"] < 60
        assert sideways(page) <= 0

    wait_until_live(page)
    check()
    page.locator("#account").get_by_role("link", name="Sign in").click()
    wait_until_live(page)
    expect(page.locator("#account")).to_have_text(f"Signed in as {name} Change")
    assert page.locator("#account a").bounding_box()["width"] > 40, "the link is whole"
    check()
    tokens.remove(name)
    expect(page.locator("#lamp")).to_have_text("Sign in again")
    check()


def test_a_page_that_says_what_is_wrong_has_no_legend_and_no_help_for_keys(closed, tokens, visit):
    writer = tokens.add("writer", 'write = { repo = "*", server = "*" }')
    closed.wait_for_status(403, "/status.json", writer)
    for password, view, heading in [
        (None, "", "Unauthorized"), (writer, "", "Forbidden"), (closed.token, "entry", "Bad Request"),
        (closed.token, "file", "Bad Request"),
    ]:
        page, _ = visit(closed.address + view, password)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert page.locator(".notice").inner_text().endswith("."), "a sentence"
        expect(page.locator("footer, dialog")).to_have_count(0)


def test_a_password_in_the_address_goes_no_further(closed, visit):
    host = closed.address.removeprefix("http://")
    page, prompts = visit("about:blank", None)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://x:{closed.token}@{host}?repo=nginx")
    expect(page).to_have_url(f"{closed.address}?repo=nginx")
    wait_until_live(page)
    assert page.evaluate("document.URL") == f"{closed.address}?repo=nginx"
    links = page.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert links and not [link for link in links if "gss_" in link]
    assert not [url for url in asked if "events" in url and "gss_" in url]
    page.get_by_role("link", name="web-1").click()
    wait_until_live(page)
    assert "gss_" not in page.content() + page.evaluate("JSON.stringify(sessionStorage) + document.referrer")
    assert prompts.asked == []


def test_without_scripts_the_command_for_a_removal_has_the_token_in_a_file(fleet, visit):
    page, _ = visit(fleet.address + ENTRY, fleet.token, java_script_enabled=False)
    expect(page.locator("pre")).to_contain_text("curl -X DELETE -H @token-header 'http://127.0.0.1:")
    assert "gss_" not in page.content()


def test_a_server_without_tokens_has_no_sign_in(server, browse):
    server.report("nginx", "web-1", ["nginx.conf"])
    page = browse(server.address + ENTRY)
    expect(page.locator("#account")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove…")).to_be_visible()
