"""Limits as clients see them: statuses, bodies and headers, through the whole web process."""

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import APIRouter

from control_plane.limits.doors import limited
from tests.integration.limits_rig import CLOCK, redis_by_cable
from tests.web_process import Caller, Media, Web, running_web, web_settings

RATES = {
    "api_requests_per_minute": 3,
    "api_account_requests_per_minute": 5,
    "call_tokens_per_minute": 2,
    "anonymous_requests_per_minute": 2,
    "api_key_hmac_secret": "a secret for the keys of tests, long enough",
}

router = APIRouter()


@router.get("/api/v1/limited-test", dependencies=[limited("v1")])
async def for_keys() -> dict[str, bool]:
    return {"ok": True}


@router.get("/limited-test", dependencies=[limited("anonymous")])
async def for_anybody() -> dict[str, bool]:
    return {"ok": True}


async def limited_web(
    db_dsn: str, no_media: Media, redis_url: str | None, **changes: Any
) -> AsyncIterator[Web]:
    settings = web_settings(db_dsn, no_media, redis_url=redis_url, **{**RATES, **changes})
    async with running_web(settings) as web:
        web.app.include_router(router)
        yield web


@pytest_asyncio.fixture(params=["redis", "process"])
async def web(
    request: pytest.FixtureRequest, db_dsn: str, no_media: Media, redis_url: str
) -> AsyncIterator[Web]:
    url = redis_url if request.param == "redis" else None
    async for web in limited_web(db_dsn, no_media, url):
        yield web


async def new_key(caller: Caller) -> str:
    answer = await caller.post("/api/api-keys", json.dumps({"name": "test"}))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


async def with_key(web: Web, key: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return await web.client.get("/api/v1/limited-test", headers=headers)


async def test_a_key_has_its_limit_and_its_account_another(web: Web) -> None:
    caller = await web.account(paid=True)
    key, other = await new_key(caller), await new_key(caller)

    answers = [await with_key(web, key) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    told = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
    assert told == ["2", "1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "3"
    assert answers[0].headers["ratelimit-policy"] == '"v1";q=3;w=60'
    assert answers[0].headers["ratelimit"] == '"v1";r=2;t=20'
    again = [(await with_key(web, other)).status_code for _ in range(3)]
    assert again == [200, 200, 429], "the account had two left"


async def test_a_refusal_says_when_to_come_back(web: Web) -> None:
    key = await new_key(await web.account(paid=True))
    for _ in range(3):
        await with_key(web, key)
    refused = await with_key(web, key)

    assert 18 <= int(refused.headers["retry-after"]) <= 20
    assert refused.json() == {
        "error": {
            "message": "Rate limit exceeded",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    reset = datetime.fromisoformat(refused.headers["x-ratelimit-reset-requests"])
    assert 55 <= (reset - CLOCK.now()).total_seconds() <= 60
    assert re.fullmatch(r"req_sv_[0-9a-f]{32}", refused.headers["request-id"])


async def test_who_shows_no_key_is_told_the_usual_limits(web: Web) -> None:
    for headers in ({}, {"Authorization": "Bearer sk_live_wrong"}):
        asked_at = CLOCK.now()
        refused = await web.client.get("/api/v1/limited-test", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["x-ratelimit-limit-requests"] == "60"
        assert refused.headers["x-ratelimit-remaining-requests"] == "60"
        text = refused.headers["x-ratelimit-reset-requests"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
        assert (datetime.fromisoformat(text) - asked_at).total_seconds() >= 59
        assert (datetime.fromisoformat(text) - CLOCK.now()).total_seconds() <= 60


async def test_call_tokens_are_limited_by_account(web: Web) -> None:
    caller, other = await web.account(), await web.account()
    for _ in range(2):
        answer = await caller.ask_for_call(instructions=7)
        assert answer.status_code == 400
        assert answer.headers["ratelimit-policy"] == '"call_token";q=2;w=60'
    refused = await caller.ask_for_call()

    assert refused.status_code == 429
    body = refused.json()
    assert (body["error"], body["code"]) == ("Rate limit exceeded", "rate_limit_exceeded")
    assert body["retryAfter"] == int(refused.headers["retry-after"]) > 0
    assert (await other.ask_for_call(instructions=7)).status_code == 400


async def test_strangers_are_limited_by_address_and_cannot_invent_one(web: Web) -> None:
    statuses = [
        (
            await web.client.get("/limited-test", headers={"X-Forwarded-For": f"198.51.100.{n}"})
        ).status_code
        for n in range(3)
    ]
    assert statuses == [200, 200, 429]


async def test_behind_our_proxy_each_address_has_its_own(
    db_dsn: str, no_media: Media, redis_url: str
) -> None:
    async for web in limited_web(db_dsn, no_media, redis_url, trusted_proxy_hops=1):
        for address in ("198.51.100.1", "198.51.100.2"):
            headers = {"X-Forwarded-For": f"6.6.6.6, {address}"}
            answers = [await web.client.get("/limited-test", headers=headers) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_two_processes_share_the_limits_until_redis_is_cut(
    db_dsn: str, no_media: Media, redis_url: str
) -> None:
    async with redis_by_cable(redis_url) as (_, cable):
        url = f"redis://127.0.0.1:{cable.port}"
        async for one in limited_web(db_dsn, no_media, url):
            async for other in limited_web(db_dsn, no_media, url):
                key = await new_key(await one.account(paid=True))
                for web in (one, other, one):
                    assert (await with_key(web, key)).status_code == 200
                assert (await with_key(other, key)).status_code == 429

                await cable.cut()

                for web in (one, other):
                    statuses = [(await with_key(web, key)).status_code for _ in range(4)]
                    assert statuses == [200, 200, 200, 429]
