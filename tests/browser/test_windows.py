"""Many windows side by side, behind a proxy that speaks HTTP/2 with browsers."""

import socket
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, wait_until_live

# More than the six connections that a browser opens to a server over HTTP/1.1.
WINDOWS = 9

MAIN = """
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
    include FOLDER/site.conf;
}
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def proxied(server, tmp_path):
    """The shipped configuration of nginx with the line that docs/proxies.md gives for HTTP/2."""
    line = "listen 443 ssl http2;"
    assert line in (ROOT / "docs/proxies.md").read_text()
    port = free_port()
    site = (ROOT / "deploy/proxies/nginx.conf").read_text()
    for shipped, here in (
        ("listen 80;", line.replace("443", f"127.0.0.1:{port}")),
        ("127.0.0.1:8080", f"127.0.0.1:{server.port}"),
    ):
        assert shipped in site
        site = site.replace(shipped, here)
    (tmp_path / "site.conf").write_text(site)
    (tmp_path / "nginx.conf").write_text(MAIN.replace("FOLDER", str(tmp_path)))
    certificate = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *certificate], check=True, capture_output=True)
    command = ["/usr/sbin/nginx", "-p", tmp_path, "-c", "nginx.conf", "-e", tmp_path / "error.log"]
    running = subprocess.Popen(command)
    try:
        wait_until_it_listens(running, port, tmp_path / "error.log")
        yield f"https://127.0.0.1:{port}/drift/"
    finally:
        running.terminate()
        running.wait(20)


def wait_until_it_listens(running, port, log: Path):
    while running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail(f"nginx ended: {log.read_text()}")


def test_nine_windows_are_live_at_once_over_http_2(server, proxied, chromium):
    server.report("nginx", "web-1")
    context = chromium.new_context(ignore_https_errors=True)
    pages = [context.new_page() for _ in range(WINDOWS)]
    for page in pages:
        page.goto(proxied)
    for page in pages:
        wait_until_live(page)
    spoken = pages[0].evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")
    server.report("nginx", "web-2", ["nginx.conf"])
    for page in pages:
        page.locator(".state.drifted").wait_for()
    context.close()
    assert spoken == "h2"
