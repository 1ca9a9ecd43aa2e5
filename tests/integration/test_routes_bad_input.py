"""Bad input on the public routes: the right status, upstream's error body, and no row changed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from shared.ids import new_uuid
from tests import builders
from tests.web_process import CALL, Media, Web, running_web, web_settings

CONFIG: dict[str, Any] = CALL["sessionConfig"]  # type: ignore[assignment] # the nested part


@pytest_asyncio.fixture
async def web(db_dsn: str, media: Media) -> AsyncIterator[Web]:
    """One that takes more bad requests a minute than a person may send."""
    settings = web_settings(db_dsn, media, call_tokens_per_minute=1_000)
    async with running_web(settings) as running:
        yield running


def config(**changes: Any) -> dict[str, Any]:
    return {"sessionConfig": {**CONFIG, **changes}}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


NO_JSON = [b"", b"{", b"\xff\xfe", b"nonsense", b'{"instructions": "\\ud800"}', b"[" * 5_000]
WRONG_SHAPES: list[Any] = [
    [],
    None,
    7,
    "text",
    {},
    *(without(CALL, name) for name in CALL),
    *({**CALL, "sessionConfig": without(CONFIG, name)} for name in CONFIG),
]
WRONG_VALUES: list[dict[str, Any]] = [
    {"instructions": None},
    {"instructions": 7},
    {"instructions": "x" * 20_001},
    {"instructions": "a\x00b"},
    {"language": "xx"},
    {"language": ""},
    {"language": None},
    {"language": "EN"},
    {"memory": "yes"},
    {"memory": 1},
    {"sceneInstructions": 7},
    {"sceneInstructions": "x" * 5_001},
    {"selectedPresetId": "not-a-uuid"},
    {"selectedPresetId": 7},
    {"selectedSceneId": "nowhere"},
    {"selectedSceneId": 7},
    {"sessionConfig": None},
    {"sessionConfig": []},
    config(temperature=-0.1),
    config(temperature=1.3),
    config(temperature="0.8"),
    config(temperature=None),
    config(temperature=float("nan")),
    config(temperature=float("inf")),
    config(maxOutputTokens=0),
    config(maxOutputTokens=-1),
    config(maxOutputTokens=32_001),
    config(maxOutputTokens=1.5),
    config(maxOutputTokens="4096"),
    config(maxOutputTokens=10**400),
    config(maxOutputTokens=True),
    config(model=None),
    config(model="x" * 129),
    config(voice=None),
    config(voice="x" * 129),
    config(voice="Ara\x00"),
]


def assert_upstream_body(answer: Any, status: int) -> None:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert body["status"] == status
    assert body["message"] == f"{body['error']} ({status})"
    assert body["serverMessage"] == body["error"]
    assert {"retryAfter", "code"} <= set(body)
    assert answer.headers["content-type"] == "application/json"


async def test_a_call_request_that_is_no_json_is_refused(web: Web) -> None:
    caller = await web.account()
    before = await builders.fingerprint(web.db)
    for content in NO_JSON:
        answer = await caller.post("/api/call-token", content)
        assert_upstream_body(answer, 400)
        assert answer.json()["error"] == "Invalid JSON in request body"
    assert await builders.fingerprint(web.db) == before


async def test_what_no_database_takes_is_refused_in_names_and_in_queries_too(web: Web) -> None:
    caller = await web.account(paid=True)
    before = await builders.fingerprint(web.db)
    wish = {"name": "Nora", "prompt": "You are Nora.", "voiceName": "Ara\x00", **config()}
    assert_upstream_body(await caller.post("/api/characters", json.dumps(wish)), 400)
    for method in ("GET", "DELETE"):
        answer = await web.client.request(
            method, "/api/memories?characterId=%00", headers=caller.headers
        )
        assert_upstream_body(answer, 400)
    assert await builders.fingerprint(web.db) == before


async def test_a_call_request_of_the_wrong_shape_is_refused_with_details(web: Web) -> None:
    caller = await web.account(paid=True)
    before = await builders.fingerprint(web.db)
    for body in [*WRONG_SHAPES, *({**CALL, **changes} for changes in WRONG_VALUES)]:
        answer = await caller.post("/api/call-token", json.dumps(body))
        assert (str(body)[:200], answer.status_code) == (str(body)[:200], 400)
        assert_upstream_body(answer, 400)
        assert answer.json()["error"] == "Invalid request body"
        assert 0 < len(answer.json()["details"]) < 1_000
    assert await builders.fingerprint(web.db) == before


async def test_details_do_not_repeat_what_was_sent(web: Web) -> None:
    caller = await web.account()
    answer = await caller.ask_for_call(instructions="my secret" * 3_000, language="my secret")
    assert answer.status_code == 400
    assert "my secret" not in answer.text


async def test_a_written_out_backslash_u0000_is_ordinary_text(web: Web) -> None:
    caller = await web.account()
    answer = await caller.ask_for_call(instructions="In C, \\u0000 ends a string.")
    assert answer.status_code == 200, answer.text
    stored = await web.db.fetchval("select instructions from call_configs")
    assert stored == "In C, \\u0000 ends a string."


WRONG_QUERIES = [
    "/api/calls?page=0",
    "/api/calls?page=-1",
    "/api/calls?page=x",
    "/api/calls?page=100001",
    f"/api/calls?page={10**30}",
    "/api/calls?pageSize=0",
    "/api/calls?pageSize=101",
    "/api/calls?pageSize=1.5",
    "/api/usage-events?page=0",
    "/api/usage-events?pageSize=101",
    "/api/usage-events?sourceType=nothing",
    "/api/usage-events?sourceType=",
    "/api/usage-events?includeSummary=perhaps",
    "/api/voices?feature=song",
    "/api/voices?feature=",
]
UNKNOWN = [
    ("GET", "/api/nothing", 404),
    ("POST", "/api/calls/x/y", 404),
    ("GET", "/internal/v1/nothing", 404),
    ("GET", "/docs", 404),
    ("GET", "/redoc", 404),
    ("GET", "/api/call-token", 405),
    ("DELETE", "/api/calls", 405),
    ("PUT", "/api/credits", 405),
    ("GET", "/internal/v1/calls/settle", 405),
    ("GET", "/webhooks/livekit", 405),
    ("BREW", "/api/credits", 405),
]
READS = [
    "/api/credits",
    "/api/calls",
    f"/api/calls/{new_uuid()}",
    "/api/usage-events",
    "/api/voices?feature=call",
]


async def test_a_wrong_query_is_refused(web: Web) -> None:
    caller = await web.account()
    for path in WRONG_QUERIES:
        answer = await caller.get(path)
        assert (path, answer.status_code) == (path, 400)
        assert_upstream_body(answer, 400)
        assert answer.json()["error"] == "Invalid query parameters"
        assert answer.json()["details"]


async def test_an_id_nobody_can_have_is_not_found(web: Web) -> None:
    caller = await web.account()
    for id_ in ("x", "%00", "..%2f..", "0" * 2_000, "00000000-0000-0000-0000"):
        assert_upstream_body(await caller.get(f"/api/calls/{id_}"), 404)


async def test_unknown_paths_and_methods_are_answered_in_the_same_form(web: Web) -> None:
    for method, path, status in UNKNOWN:
        answer = await web.client.request(method, path)
        assert (method, path, answer.status_code) == (method, path, status)
        assert_upstream_body(answer, status)


async def test_every_read_needs_a_session(web: Web) -> None:
    for path in READS:
        answer = await web.client.get(path)
        assert_upstream_body(answer, 401)
        assert answer.json()["error"] == "User not found"


async def test_answers_with_tokens_and_balances_are_kept_by_no_cache(web: Web) -> None:
    caller = await web.account()
    for answer in (await caller.get("/api/credits"), await caller.ask_for_call()):
        assert answer.headers["cache-control"] == "no-store"
