"""Pages of other sites: they neither write to the server nor read from it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import update

PAGE = b"<!DOCTYPE html><title>Elsewhere</title><p>Another site"


class Elsewhere(BaseHTTPRequestHandler):
    """A web site of somebody else."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


class Site:
    def __init__(self, port=0):
        self.http = ThreadingHTTPServer(("127.0.0.1", port), Elsewhere)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def elsewhere():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def tab(chromium):
    context = chromium.new_context()
    yield context.new_page()
    context.close()


ATTEMPTS = """async ([target, body]) => {
    const attempt = async (options) => {
        try {
            const answer = await fetch(target + (options.path ?? "api/status"), options);
            return [answer.type, answer.status, await answer.text()];
        } catch (error) {
            return ["failed"];
        }
    };
    const pair = "api/status?repo=nginx&server=web-1";
    return {
        post: await attempt({ method: "POST", headers: { "Content-Type": "application/json" }, body }),
        plain: await attempt({ method: "POST", mode: "no-cors", body }),
        remove: await attempt({ method: "DELETE", path: pair }),
        read: await attempt({ path: "status.json" }),
        opaque: await attempt({ path: "status.json", mode: "no-cors" }),
    };
}"""

FORM = """([target, body]) => {
    const form = document.createElement("form");
    [form.method, form.action, form.enctype] = ["post", `${target}api/status`, "text/plain"];
    const [name, value] = [body.slice(0, 20), body.slice(20)];
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    document.body.append(form);
    form.submit();
}"""


# Browsers say `Sec-Fetch-Site` only to what they trust: https, and this machine. To others, they say `Origin`.
@pytest.mark.parametrize("site", ["localhost", "127.0.0.1", "elsewhere.example"])
@pytest.mark.parametrize("name", ["127.0.0.1", "status.example"])
def test_a_page_of_another_site_cannot_write_or_read(server, elsewhere, tab, site, name):
    server.stop()
    server.start("--allowed-hosts=status.example")
    server.report("nginx", "web-1", ["nginx.conf"])
    before = server.list()
    target = f"http://{name}:{server.port}/"
    tab.goto(f"http://{site}:{elsewhere.port}/")
    done = tab.evaluate(ATTEMPTS, [target, update("nginx", "stolen")])
    assert done["post"] == done["remove"] == done["read"] == ["failed"]
    assert done["plain"] == done["opaque"] == ["failed"]
    with tab.expect_navigation():
        tab.evaluate(FORM, [target, update("nginx", "stolen")])
    assert tab.url == f"{target}api/status"
    assert "page of another site" in tab.locator("body").inner_text()
    assert server.list() == before
    metrics = server.ask("GET", "/metrics")[1]
    refused = 'gitops_status_http_requests_total{route="/api/status",method="POST",code="403"} 2'
    assert refused in metrics, metrics


WIDTH = """url => new Promise(done => {
    const image = new Image();
    image.onload = image.onerror = () => done(image.naturalWidth);
    image.src = url;
})"""


# The badge is as wide as the number that it shows.
def test_a_page_of_another_site_learns_nothing_by_the_width_of_a_badge(server, elsewhere, tab, tmp_path):
    server.report("nginx", "web-1", ["nginx.conf"])
    tab.goto(f"http://127.0.0.1:{elsewhere.port}/")
    badge = f"{server.address}badge.svg?repo=nginx"
    assert tab.evaluate(WIDTH, badge) == 0
    tab.goto(server.address)
    assert tab.evaluate(WIDTH, badge) > 0
    server.stop()
    tokens = tmp_path / "tokens.toml"
    tokens.touch()
    server.start(f"--tokens-file={tokens}")
    tab.goto(f"http://127.0.0.1:{elsewhere.port}/")
    assert tab.evaluate(WIDTH, f"{server.address}badge.svg?label=shown") > 0


def test_a_page_whose_name_was_made_to_lead_here_cannot_write_or_read(server, tab):
    server.report("nginx", "web-1", ["nginx.conf"])
    server.stop()
    site = Site()
    tab.goto(f"http://rebind.example:{site.port}/")
    # The name now leads to another server, at the same port.
    site.close()
    server.port = site.port
    server.start()
    before = server.list()
    done = tab.evaluate(ATTEMPTS, [f"http://rebind.example:{server.port}/", update("nginx", "stolen")])
    for attempt, (kind, status, text) in done.items():
        assert (kind, status) == ("basic", 421), attempt
        assert "allowed_hosts" in text and "web-1" not in text, attempt
    assert server.list() == before
    for path in ["", "entry?repo=nginx&server=web-1", "badge.svg", "metrics", "health", "openapi.json"]:
        answer = tab.goto(f"http://rebind.example:{server.port}/{path}")
        assert answer.status == 421 and "web-1" not in tab.content(), path


def test_no_page_of_another_site_can_have_ours_in_a_frame(server, elsewhere, tab):
    server.report("nginx", "web-1", ["nginx.conf"])
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.goto(f"http://localhost:{elsewhere.port}/")
    for path in ["", "entry?repo=nginx&server=web-1", "file?name=nginx.conf", "status.json", "nothing"]:
        said.clear()
        tab.evaluate(
            """url => new Promise(done => {
                const frame = Object.assign(document.createElement("iframe"), { src: url, onload: done });
                document.body.append(frame);
            }).then(() => null)""",
            server.address + path,
        )
        assert any("frame-ancestors" in text for text in said), (path, said)
