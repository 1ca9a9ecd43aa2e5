"""Every error of /api/v1/* and /v1/* has the programs' body, and a request id of ours."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from control_plane.callers import KeyHolder
from control_plane.http_errors import parse_json
from shared.errors import Conflict, Forbidden, InsufficientCredits, NotFound, Unavailable
from tests.cable import cable_to
from tests.integration.key_desk import make_key
from tests.web_process import Media, Web, running_web, web_settings

REQUEST_ID = re.compile(r"req_sv_[0-9a-f]{32}")
DOORS = ("/api/v1/test", "/v1/test")
SECRET = "what the caller said"


class Wish(BaseModel):
    input: str = Field(max_length=5)
    speed: float = 1.0


def add_troubled_routes(web: Web) -> None:
    async def fail(request: Request) -> None:
        trouble: dict[str, Exception] = {
            "broke": InsufficientCredits(),
            "forbidden": Forbidden(),
            "nothing": NotFound("Voice not found", param="voice"),
            "conflict": Conflict(),
            "later": Unavailable(retry_after_s=7),
            "bug": RuntimeError(SECRET),
            "database": ConnectionResetError(SECRET),
        }
        raise trouble[request.path_params["kind"]]

    async def wish(request: Request) -> None:
        parse_json(Wish, await request.body())

    async def item(number: int, size: Annotated[int, Query(le=9)] = 1) -> int:
        return number + size

    async def typed(wish: Wish) -> Wish:
        return wish

    async def allowed(request: Request, caller: KeyHolder) -> dict[str, str]:
        request.state.response_headers["X-RateLimit-Limit-Requests"] = "60"
        return {"id": request.state.request_id, "key": str(caller.api_key_id)}

    for door in DOORS:
        web.app.add_api_route(f"{door}/fail/{{kind}}", fail, methods=["GET"])
        web.app.add_api_route(f"{door}/wish", wish, methods=["POST"])
        web.app.add_api_route(f"{door}/item/{{number}}", item, methods=["GET"])
        web.app.add_api_route(f"{door}/typed", typed, methods=["POST"])
        web.app.add_api_route(f"{door}/allowed", allowed, methods=["GET"])


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media)) as running:
        add_troubled_routes(running)
        yield running


def error(kind: str, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": param, "code": code}


REQUEST = "invalid_request_error"
BODY = "Invalid request body: "
# (method, path behind the door, body) -> status and error
TROUBLE: list[tuple[str, str, bytes, int, dict[str, Any]]] = [
    ("GET", "/no/such", b"", 404, error("not_found_error", "not_found", "Not found")),
    ("PUT", "/wish", b"", 405, error(REQUEST, "method_not_allowed", "Method not allowed")),
    (
        "GET",
        "/allowed",
        b"",
        401,
        error("authentication_error", "invalid_api_key", "Invalid API key", "authorization"),
    ),
    (
        "GET",
        "/fail/broke",
        b"",
        402,
        error("permission_error", "insufficient_credits", "Insufficient credits"),
    ),
    ("GET", "/fail/forbidden", b"", 403, error("permission_error", "forbidden", "Not allowed")),
    (
        "GET",
        "/fail/nothing",
        b"",
        404,
        error("not_found_error", "not_found", "Voice not found", "voice"),
    ),
    (
        "GET",
        "/fail/conflict",
        b"",
        409,
        error(REQUEST, "conflict", "The request conflicts with the present state"),
    ),
    (
        "GET",
        "/fail/later",
        b"",
        503,
        error("server_error", "unavailable", "Temporarily unavailable"),
    ),
    ("GET", "/fail/bug", b"", 500, error("server_error", "server_error", "Internal server error")),
    (
        "GET",
        "/fail/database",
        b"",
        503,
        error("server_error", "unavailable", "Temporarily unavailable"),
    ),
    ("POST", "/wish", b"{", 400, error(REQUEST, "invalid_request", "Invalid JSON in request body")),
    (
        "POST",
        "/wish",
        b'{"speed": 1}',
        400,
        error(REQUEST, "invalid_request", BODY + "input: Field required", "input"),
    ),
    (
        "POST",
        "/wish",
        b'{"input": "too long"}',
        400,
        error(
            REQUEST,
            "invalid_request",
            BODY + "input: String should have at most 5 characters",
            "input",
        ),
    ),
    (
        "POST",
        "/wish",
        b"[]",
        400,
        error(REQUEST, "invalid_request", BODY + "body: Input should be an object"),
    ),
    (
        "POST",
        "/wish",
        b" " * 65_537,
        413,
        error(REQUEST, "body_too_large", "Request body too large"),
    ),
    (
        "POST",
        "/typed",
        b'{"input": "too long"}',
        400,
        error(
            REQUEST,
            "invalid_request",
            BODY + "body.input: String should have at most 5 characters",
            "input",
        ),
    ),
    ("GET", "/item/x", b"", 404, error("not_found_error", "not_found", "Not found")),
    (
        "GET",
        "/item/1?size=10",
        b"",
        400,
        error(
            REQUEST,
            "invalid_request",
            "Invalid query parameters: query.size: Input should be less than or equal to 9",
            "size",
        ),
    ),
]


@pytest.mark.parametrize("door", DOORS)
async def test_each_trouble_has_its_body(web: Web, door: str) -> None:
    for method, path, body, status, expected in TROUBLE:
        headers = {"content-type": "application/json"} if body else {}
        answer = await web.client.request(method, door + path, content=body, headers=headers)
        assert (path, answer.status_code, answer.json()) == (path, status, {"error": expected})
        assert REQUEST_ID.fullmatch(answer.headers["request-id"]), path
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("door", DOORS)
async def test_what_may_be_tried_again_says_when(web: Web, door: str) -> None:
    answer = await web.client.get(f"{door}/fail/later")
    assert answer.headers["retry-after"] == "7"


async def test_a_request_id_is_ours_and_new_each_time(web: Web) -> None:
    key = await make_key(await web.account(paid=True))
    headers = {**key.headers, "request-id": "req_sv_" + "a" * 32}

    answers = [await web.client.get("/api/v1/test/allowed", headers=headers) for _ in range(3)]

    ids = [answer.headers["request-id"] for answer in answers]
    assert len({*ids, headers["request-id"]}) == 4
    assert [answer.json()["id"] for answer in answers] == ids


async def test_headers_that_a_dependency_sets_reach_the_answer_once(web: Web) -> None:
    key = await make_key(await web.account(paid=True))
    answer = await key.ask("/v1/test/allowed")
    assert answer.headers.get_list("x-ratelimit-limit-requests") == ["60"]
    assert len(answer.headers.get_list("request-id")) == 1


async def test_other_doors_keep_upstreams_form_and_have_no_request_id(web: Web) -> None:
    for path in ("/api/v1", "/api/v10/x", "/api/nothing", "/v1", "/v10/x", "/x/v1/y"):
        answer = await web.client.get(path)
        assert (path, answer.status_code, set(answer.json())) == (
            path,
            404,
            {"error", "message", "status", "serverMessage", "retryAfter", "code"},
        )
        assert "request-id" not in answer.headers


async def test_the_form_follows_the_path_and_not_the_name_of_the_host(web: Web) -> None:
    headers = {"host": "x/api/v1/"}
    answer = await web.client.get("/api/nothing", headers=headers)
    assert answer.json()["error"] == "Not found"


async def test_without_a_database_a_program_is_told_to_come_back(
    db_dsn: str, no_media: Media
) -> None:
    where = urlsplit(db_dsn)
    folder = parse_qs(where.query)["host"][0]
    async with cable_to(f"{folder}/.s.PGSQL.5432") as cable:
        dsn = f"postgresql://postgres@127.0.0.1:{cable.port}{where.path}"
        async with running_web(web_settings(dsn, no_media), db_dsn=db_dsn) as web:
            add_troubled_routes(web)
            key = await make_key(await web.account(paid=True))
            await cable.cut()
            answer = await key.ask("/v1/test/allowed")
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "server_error")
    assert answer.headers["retry-after"]
    assert REQUEST_ID.fullmatch(answer.headers["request-id"])
