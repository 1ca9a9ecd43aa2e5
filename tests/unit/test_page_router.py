"""The call page is served safely: only its own files, with headers that let it do little."""

import gzip
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from control_plane.pages import LIVEKIT_CLIENT, find_page_file, page_headers
from control_plane.routes.page import page_router
from shared.end_reasons import EndReason

WEB = Path(__file__).resolve().parents[2] / "web"


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    """A complete page in small, beside files that must never be served."""
    root = tmp_path / "web"
    (root / "assets").mkdir(parents=True)
    (root / "vendor").mkdir()
    (root / "index.html").write_text("<h1>Talk</h1>")
    (root / "incomplete.html").write_text("<h1>not complete yet</h1>")
    (root / "package.json").write_text("{}")
    (root / "assets" / "page.js").write_text("export const words = 'hello';")
    (root / "assets" / ".secret.js").write_text("no")
    (root / "assets" / "notes.txt").write_text("no")
    (root / "vendor" / LIVEKIT_CLIENT).write_text("export {};")
    (tmp_path / "outside.js").write_text("no")
    (root / "assets" / "link.js").symlink_to(tmp_path / "outside.js")
    return root


def client_of(
    web_root: Path, *, livekit_url: str = "ws://lk.test:7880", local: bool = True
) -> TestClient:
    app = FastAPI()
    app.include_router(page_router(web_root, livekit_url=livekit_url, local=local))
    return TestClient(app)


def test_the_page_and_its_parts_are_served_with_their_types(web_root: Path) -> None:
    client = client_of(web_root)
    types = {
        path: client.get(path).headers["content-type"]
        for path in ("/", "/assets/page.js", f"/assets/vendor/{LIVEKIT_CLIENT}")
    }
    assert types == {
        "/": "text/html; charset=utf-8",
        "/assets/page.js": "text/javascript; charset=utf-8",
        f"/assets/vendor/{LIVEKIT_CLIENT}": "text/javascript; charset=utf-8",
    }
    assert client.get("/").text == "<h1>Talk</h1>"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../package.json",
        "/assets/..%2fpackage.json",
        "/assets/%2e%2e/package.json",
        "/assets/..%5cpackage.json",
        "/assets/vendor/..%2f..%2fpackage.json",
        "/assets/vendor/../../../outside.js",
        "/assets/%2fetc%2fpasswd",
        "/assets/page.js%00.html",
        "/assets/link.js",
        "/assets/.secret.js",
        "/assets/notes.txt",
        "/assets/",
        "/assets/vendor",
        "/package.json",
        "/node_modules/livekit-client/package.json",
    ],
)
async def test_nothing_but_the_files_of_the_page_can_be_had(web_root: Path, path: str) -> None:
    app = FastAPI()
    app.include_router(page_router(web_root, livekit_url="ws://lk.test", local=True))
    assert await status_of(app, path) == 404


def test_headers_allow_our_own_code_and_the_media_server_only(web_root: Path) -> None:
    answer = client_of(web_root, livekit_url="wss://live.example.org/rtc?x=1").get("/")
    policy = dict(
        rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self' wss://live.example.org https://live.example.org",
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in answer.headers["permissions-policy"]


@pytest.mark.parametrize("path", ["/", "/assets/page.js", "/page-config.json", "/assets/none.js"])
def test_every_answer_carries_the_security_headers(web_root: Path, path: str) -> None:
    answer = client_of(web_root).get(path)
    for name, value in page_headers("ws://lk.test:7880").items():
        assert answer.headers[name] == value


def test_the_hosted_service_may_answer_from_another_region() -> None:
    policy = page_headers("wss://ours.livekit.cloud")["Content-Security-Policy"]
    assert "wss://ours.livekit.cloud https://ours.livekit.cloud wss://*.livekit.cloud" in policy
    assert "*" not in page_headers("wss://livekit.cloud.evil.example")["Content-Security-Policy"]


def test_a_file_the_browser_has_is_not_sent_again(web_root: Path) -> None:
    client = client_of(web_root)
    first = client.get("/assets/page.js")
    again = client.get("/assets/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_an_edited_file_is_sent_anew(web_root: Path) -> None:
    client = client_of(web_root)
    first = client.get("/assets/page.js")
    (web_root / "assets" / "page.js").write_text("export const words = 'changed words';")
    again = client.get("/assets/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (200, "export const words = 'changed words';")


def test_a_file_is_packed_only_for_those_who_can_unpack(web_root: Path) -> None:
    client = client_of(web_root)
    plain = client.get("/assets/page.js", headers={"Accept-Encoding": "identity"})
    packed = client.get("/assets/page.js", headers={"Accept-Encoding": "gzip, br"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    prepared = find_page_file(web_root / "assets", "page.js")
    assert prepared is not None
    assert gzip.decompress(prepared.packed) == prepared.body


def test_without_livekit_client_the_page_says_so_in_words(web_root: Path) -> None:
    (web_root / "vendor" / LIVEKIT_CLIENT).unlink()
    answer = client_of(web_root).get("/")
    assert (answer.status_code, answer.text) == (503, "<h1>not complete yet</h1>")
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_the_page_learns_how_to_log_in_and_what_endings_mean(web_root: Path) -> None:
    config = client_of(web_root, local=False).get("/page-config.json").json()
    assert config["local"] is False
    assert config["sells"] is False
    assert set(config["endings"]) == {reason.value for reason in EndReason}
    assert config["endings"]["caller_hangup"] == "You ended the call."


def test_the_page_holds_no_inline_code_and_nothing_from_elsewhere() -> None:
    texts = {path.name: path.read_text() for path in WEB.glob("*.html")}
    texts |= {path.name: path.read_text() for path in (WEB / "assets").iterdir()}
    assert len(texts) > 15
    for name, text in texts.items():
        outside = text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text, name
        assert "http://" not in outside, name
        assert "https://" not in outside, name
        assert " style=" not in text, name
        assert " onclick=" not in text, name
    scripts = texts["index.html"].split("<script")[1:]
    assert scripts
    assert all(" src=" in script.split(">", 1)[0] for script in scripts)


async def status_of(app: FastAPI, address: str) -> int:
    """Asked as it is written: a real client would tidy the path before sending it."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": unquote(address),
        "raw_path": address.encode(),
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status
