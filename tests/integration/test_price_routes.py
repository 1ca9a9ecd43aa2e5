"""The price list as everybody may read it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from billing.money import MICRO
from control_plane.app import open_services
from control_plane.http_errors import register_error_handlers
from control_plane.routes import prices as routes
from control_plane.settings import WebSettings
from shared.clock import SystemClock
from shared.db import Pool, open_pool
from shared.settings import PostgresSettings
from tests.integration.priced_work import publish, rate, rich_account, speak


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def client(db_dsn: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    settings = WebSettings(
        database_url=db_dsn,
        livekit_url="ws://127.0.0.1:1",
        livekit_api_key="key",
        livekit_api_secret="s" * 32,
        internal_token="t" * 16,
        session_jwt_issuer="test",
        session_jwt_audience="test",
        session_jwt_secret="s" * 32,
        object_link_secret="l" * 32,
        objects_dir=tmp_path,
    )
    app = FastAPI()
    register_error_handlers(app)
    app.include_router(routes.router)
    async with open_services(settings, SystemClock()) as services:
        app.state.services = services
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def test_anybody_may_read_the_prices_in_force(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/prices")

    body = answer.json()
    assert answer.status_code == 200
    assert body["version"] == 2
    assert datetime.fromisoformat(body["effectiveFrom"]) <= datetime.now(UTC)
    assert body["rates"][0] == {
        "product": "call",
        "model": "*",
        "plan": "*",
        "channel": "*",
        "unit": "minute",
        "credits": 1000,
        "per": 1,
        "minimum": 0,
    }


@pytest.mark.parametrize(
    ("wanted", "microcredits", "explanation"),
    [
        (
            {"product": "call", "seconds": 90},
            1_500_000_000,
            "90 seconds at 1,000 credits a minute: 1,500 credits",
        ),
        (
            {"product": "call", "seconds": 1},
            16_666_667,
            "1 second at 1,000 credits a minute: 16.666667 credits",
        ),
        (
            {"product": "speech", "model": "local", "text": "  Hello world \n"},
            11_000_000,
            "11 characters at 1 credit a character: 11 credits",
        ),
        (
            {"product": "speech", "text": "吾輩は猫である。名前はまだ無い。"},
            64_000_000,
            "16 characters at 4 credits a character: 64 credits",
        ),
        (
            {"product": "clone", "characters": 1_000},
            11_000_000_000,
            "1,000 characters at 11 credits a character: 11,000 credits",
        ),
    ],
)
async def test_an_estimate_names_its_price_in_words(
    client: httpx2.AsyncClient, wanted: dict[str, Any], microcredits: int, explanation: str
) -> None:
    answer = await client.post("/api/prices/estimate", json=wanted)

    assert answer.json() == {
        "credits": answer.json()["credits"],
        "microcredits": microcredits,
        "version": 2,
        "explanation": explanation,
    }
    assert round(answer.json()["credits"] * MICRO) == microcredits


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"product": "call"}',
        '{"product": "call", "seconds": 0}',
        '{"product": "call", "seconds": -1}',
        '{"product": "call", "seconds": 1.5}',
        '{"product": "call", "seconds": "60"}',
        '{"product": "call", "seconds": true}',
        '{"product": "call", "seconds": 99999999999999999999}',
        '{"product": "call", "characters": 5}',
        '{"product": "call", "seconds": 5, "tokens": 5}',
        '{"product": "dance", "seconds": 5}',
        '{"product": "speech", "text": "   "}',
        '{"product": "speech", "tokens": 5}',
        '{"product": "speech", "text": "a", "model": "a\\u0000b"}',
        '{"product": "speech", "text": "a", "model": "x\\n"}',
        '{"product": "speech", "text": "a", "plan": "gold"}',
        '{"product": "speech", "text": "a", "what": 1}',
    ],
)
async def test_a_bad_estimate_is_refused_in_the_usual_words(
    client: httpx2.AsyncClient, body: str
) -> None:
    answer = await client.post("/api/prices/estimate", content=body.encode())

    assert answer.status_code == 400
    assert {"error", "message", "status", "serverMessage", "code"} <= answer.json().keys()


async def test_an_estimate_is_what_a_charge_then_costs(
    pool: Pool, client: httpx2.AsyncClient
) -> None:
    await publish(pool, rate(), replace(rate("speech", 7), per_units=3, plan="free"))
    user = await rich_account(pool)

    answer = await client.post(
        "/api/prices/estimate", json={"product": "speech", "characters": 100}
    )
    await speak(pool, user, 100)

    charged = await pool.fetchval("select cost from generation_charges")
    assert answer.json()["microcredits"] == charged == 233_333_334
