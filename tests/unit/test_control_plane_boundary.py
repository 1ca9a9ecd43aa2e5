"""The outermost layer: limits of bodies, and what becomes of errors nobody handled."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.boundary import RequestBoundary
from shared.clock import SystemClock
from shared.log import configure_logging

SECRET = "what the caller said"


async def size(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def bug(_request: Request) -> Response:
    raise RuntimeError(SECRET)


async def database(_request: Request) -> Response:
    raise asyncpg.ConnectionDoesNotExistError(SECRET)


async def wrong_type(_request: Request) -> Response:
    raise asyncpg.DataError(SECRET)


def client(**options: Any) -> httpx2.AsyncClient:
    routes = [
        Route(f"/{prefix}{handler.__name__}", handler, methods=["POST"])
        for handler in (size, bug, database, wrong_type)
        for prefix in ("", "internal/", "webhooks/")
    ]
    layer = Middleware(RequestBoundary, clock=SystemClock(), **options)
    transport = httpx2.ASGITransport(app=Starlette(routes=routes, middleware=[layer]))
    return httpx2.AsyncClient(transport=transport, base_url="http://web.test")


async def in_pieces(total: int, *, piece: int = 8_192) -> AsyncIterator[bytes]:
    for start in range(0, total, piece):
        yield b"x" * min(piece, total - start)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/size", 64 * 1024),
        ("/webhooks/size", 256 * 1024),
        ("/internal/size", 2 * 1024 * 1024),
    ],
)
async def test_a_body_may_be_as_long_as_its_limit_and_not_a_byte_longer(
    path: str, limit: int
) -> None:
    async with client() as web:
        fits = await web.post(path, content=b"x" * limit)
        assert (fits.status_code, fits.text) == (200, str(limit))
        assert (await web.post(path, content=in_pieces(limit))).status_code == 200
        for content in (b"x" * (limit + 1), in_pieces(limit + 1)):
            refused = await web.post(path, content=content)
            assert refused.status_code == 413
            assert refused.json()["error"] == "Request body too large"


async def test_a_declared_length_is_refused_before_a_byte_is_read() -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    async with client() as web:
        headers = {"content-length": "65537"}
        assert (await web.post("/size", content=never(), headers=headers)).status_code == 413


async def test_a_body_that_stops_coming_is_given_up() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async with client(body_timeout_s=0.05) as web:
        answer = await web.post("/size", content=stalled())
        assert answer.status_code == 408
        assert answer.json()["code"] == "body_too_slow"


async def test_nothing_of_an_unexpected_error_gets_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("tests")
    async with client() as web:
        answers = {name: await web.post(f"/{name}") for name in ("bug", "database", "wrong_type")}
    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert statuses == {"bug": 500, "database": 503, "wrong_type": 500}
    assert all(SECRET not in answer.text for answer in answers.values())
    printed = capsys.readouterr().err
    assert SECRET not in printed
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["event"] for event in events] == [
        "request_failed",
        "database_away",
        "request_failed",
    ]
    assert events[0]["exception"].startswith("RuntimeError at ")
    assert all(logging.getLevelName(event["level"].upper()) for event in events)


async def test_an_error_after_the_answer_began_ends_it_without_a_second_one() -> None:
    async def fails_half_way(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    sent = await passed_through(fails_half_way, {"type": "http.request"})

    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_a_caller_who_went_away_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("tests")

    async def reads(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()

    sent = await passed_through(reads, {"type": "http.disconnect"})

    assert sent[0]["status"] == 499
    assert capsys.readouterr().err == ""


async def passed_through(app: ASGIApp, received: Message) -> list[Message]:
    """What `app` sends through the boundary after one message from the client."""
    sent: list[Message] = []

    async def receive() -> Message:
        return received

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [], "query_string": b""}
    await RequestBoundary(app, clock=SystemClock())(scope, receive, send)
    return sent


async def test_who_is_refused_while_still_sending_is_read_out_first() -> None:
    """Else the connection would be reset, and the answer lost with it."""
    sent: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(4):
            sent.append(f"piece {number}")
            yield b"x" * 1_000

    async with client() as web:
        refused = await web.post("/bug", content=pieces())

    assert refused.status_code == 500
    assert len(sent) == 4
