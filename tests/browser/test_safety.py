"""Hostile names, and hostile surroundings of the pages."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from conftest import rows, wait_until_live

NAMES = [
    "<script>document.title='broken'</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; 'quotes' \"double\"",
    "a?b=c&d#e%20f+g/../h",
    "\u202eforwards\u202c",
    "\u2066isolated",
    "{{ 7 * 7 }} {% raw %}",
    "😀👩‍👩‍👧 e\u0301",
    "ü" * 255,
    "مستودع",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_shown_in_full_and_runs_nothing(server, browse, name):
    server.report(name, name, [name])
    page = browse(server.address)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    wait_until_live(page)
    assert rows(page) == [f"{name}/{name}"]
    assert page.locator(".files a").first.text_content() == name
    page.locator("a.details").click()
    expect(page.locator("h1")).to_have_text(f"{name} on {name}", use_inner_text=False)
    wait_until_live(page)
    assert page.locator("ul.files a").text_content() == name
    page.locator("ul.files a").click()
    page.wait_for_url("**/file?*")
    assert page.locator("h1").text_content() == name
    assert rows(page) == [f"{name}/{name}"]
    page.goto(f"{server.address}?view=wall")
    assert page.locator(".repos bdi").text_content() == name
    assert page.evaluate("document.title").endswith("GitOps status")


@pytest.mark.parametrize("before, after", [("\u202e", ""), ("\u2067", "\u2069"), ("\u2069\u202e", "")], ids=["override", "isolate", "way out"])
def test_a_name_cannot_be_shown_in_another_order_than_it_has(server, browse, before, after):
    name = f"/etc/{before}gnp.conf{after}"
    server.report("nginx", "web-1", [name])
    page = browse(server.address)
    for target in ("", "entry?repo=nginx&server=web-1", f"file?name={quote(name)}"):
        page.goto(server.address + target)
        place = page.locator("bdi", has_text="gnp.conf").first
        assert place.text_content() == name, "what is copied is the name"
        marks = place.locator(".control").evaluate_all("marks => marks.map(mark => getComputedStyle(mark, '::before').content)")
        assert len(marks) == len(before + after) and all("U+20" in mark or "attr" in mark for mark in marks)
        # Each letter is right of the letter before it.
        edges = place.evaluate("""place => {
            const text = [...place.childNodes].find(node => node.data?.includes("gnp.conf"));
            return [...text.data].map((_, at) => {
                const range = document.createRange();
                range.setStart(text, at);
                range.setEnd(text, at + 1);
                return range.getBoundingClientRect().left;
            });
        }""")
        assert edges == sorted(edges), target
        assert not set(before) & set(page.title())


def test_the_note_of_a_removal_shows_what_only_changes_the_direction_of_its_name(server, browse):
    name = "web\u202e-\u20661"
    server.report("nginx", name)
    page = browse(f"{server.address}entry?repo=nginx&server={quote(name)}")
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    note = page.locator("#done")
    expect(note.locator("bdi").last).to_have_text(name)
    marks = note.locator(".control").evaluate_all("marks => marks.map(mark => mark.dataset.mark)")
    assert marks == ["U+202E", "U+2066"]


def test_a_link_to_a_run_sends_no_referrer(server, browse):
    url = "https://ci.example.net/run?id=1&x='\"<>"
    server.report("nginx", "web-1", ["a"], url=url, revision="4f1c2ab9d3e7")
    page = browse(server.address)
    link = page.get_by_role("link", name="run of the check")
    assert link.get_attribute("href") == url
    assert "noreferrer" in link.get_attribute("rel")


def test_the_content_security_policy_is_enforced(server, chromium):
    server.report("nginx", "web-1")
    page = chromium.new_context().new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    policy = page.goto(server.address).headers["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = "document.title = 'broken'";
        document.body.append(script);
        document.body.setAttribute('onclick', "document.title = 'broken'");
        document.body.click();
        document.body.setAttribute('style', 'opacity: 0.5');
    }""")
    assert page.title() == "GitOps status"
    assert page.evaluate("getComputedStyle(document.body).opacity") == "1"
    assert len(refused) >= 3 and all("Content Security Policy" in text for text in refused)
    page.context.close()


def test_scripts_of_extensions_do_not_reload_the_page(server, browse):
    server.report("nginx", "web-1")
    page = browse(server.address)
    wait_until_live(page)
    page.evaluate("document.head.append(document.createElement('script')); window.mine = true")
    server.report("nginx", "web-2")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert page.evaluate("window.mine")


def test_an_entry_is_removed_only_after_a_confirmation(server, browse):
    server.report("nginx", "web-1", ["a"])
    server.report("nginx", "web-2")
    page = browse(server.address + "entry?repo=nginx&server=web-1")
    page.get_by_role("button", name="Remove…").click()
    expect(page.get_by_role("dialog", name="Remove nginx on web-1?")).to_be_visible()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(server.list()) == 2
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page).to_have_url(server.address)
    assert [entry["server"] for entry in server.list()] == ["web-2"]
    page.goto(server.address + "entry?repo=nginx&server=web-1")
    expect(page.get_by_text("There is no entry of this repo and server any more.")).to_be_visible()
    expect(page.locator(".history tbody tr").first).to_contain_text("deleted")


class Prefixed(BaseHTTPRequestHandler):
    """An ingress that serves the server under a path prefix."""

    protocol_version = "HTTP/1.1"
    prefix = "/tools/gitops"

    def do_GET(self):
        assert self.path.startswith(self.prefix + "/"), self.path
        inner = http.client.HTTPConnection("127.0.0.1", self.server.inner_port)
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        inner.request("GET", self.path.removeprefix(self.prefix), headers=headers)
        answer = inner.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        inner.close()
        self.close_connection = True

    def log_message(self, *_):
        pass


def test_the_pages_work_under_a_path_prefix(server, browse):
    server.report("nginx", "web-1", ["a.conf"])
    ingress = ThreadingHTTPServer(("127.0.0.1", 0), Prefixed)
    ingress.daemon_threads = True
    ingress.inner_port = server.port
    threading.Thread(target=ingress.serve_forever).start()
    try:
        base = f"http://127.0.0.1:{ingress.server_port}{Prefixed.prefix}/"
        page = browse(base)
        wait_until_live(page)
        page.get_by_role("link", name="nginx").click()
        expect(page).to_have_url(base + "?repo=nginx")
        page.get_by_role("link", name="web-1").click()
        page.get_by_role("link", name="a.conf").first.click()
        expect(page).to_have_url(base + "file?name=a.conf")
        page.get_by_role("link", name="All entries").click()
        wait_until_live(page)
        server.report("nginx", "web-2")
        expect(page.locator("tbody tr")).to_have_count(2)
    finally:
        ingress.shutdown()
        ingress.server_close()
