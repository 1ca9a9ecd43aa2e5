"""
The real web process inside a test: real database, real media server, no socket of its own.

`web` is ready to be asked; `dial_nowhere` gives the same with a media server that is not there.
"""

import atexit
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import jwt
from fastapi import FastAPI
from livekit import api

from control_plane.app import build_app
from control_plane.settings import WebSettings
from shared.clock import Clock, SystemClock
from tests import builders
from tests.builders import ISSUER, Account

AUDIENCE = "authenticated"
SECRET = "a shared secret of the tests, long enough"
API_KEY_SECRET = "the secret that the tests hash API keys with"
PHONE_PIN_SECRET = "the secret that the tests hash telephone PINs with"
WORKER_CREDENTIAL = "the credential of the tests' workers"
OBJECT_LINK_SECRET = "the secret that the tests sign links to audio with"
OBJECTS_DIR = tempfile.mkdtemp(prefix="sexycall-objects-")
atexit.register(shutil.rmtree, OBJECTS_DIR, ignore_errors=True)

CALL = {
    "instructions": "You are a lighthouse keeper.",
    "selectedPresetId": None,
    "sessionConfig": {"maxOutputTokens": None, "model": "", "temperature": 0.8, "voice": "Ara"},
}


@dataclass(frozen=True, slots=True)
class Media:
    """A livekit-server's address and credentials."""

    url: str
    key: str
    secret: str

    def api(self) -> api.LiveKitAPI:
        return api.LiveKitAPI("http" + self.url.removeprefix("ws"), self.key, self.secret)

    async def rooms(self) -> list[str]:
        async with self.api() as livekit:
            answer = await livekit.room.list_rooms(api.ListRoomsRequest())
        return [room.name for room in answer.rooms]


@dataclass(frozen=True, slots=True)
class Web:
    """An application that runs, a client for it, and a connection of the test's own."""

    app: FastAPI
    client: httpx2.AsyncClient
    db: "asyncpg.Connection[asyncpg.Record]"
    settings: WebSettings

    async def account(self, **fields: Any) -> "Caller":
        return Caller(self, await builders.account(self.db, **fields))

    async def internal(self, path: str, body: Any) -> httpx2.Response:
        """A request of an agent worker; `body` is sent as JSON unless it is bytes."""
        return await self.client.post(
            f"/internal/v1{path}",
            content=body if isinstance(body, bytes) else json.dumps(body),
            headers={"Authorization": f"Bearer {WORKER_CREDENTIAL}"},
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with an account and a session."""

    web: Web
    account: Account

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {session_token(sub=self.account.email)}"}

    async def get(self, path: str) -> httpx2.Response:
        return await self.web.client.get(path, headers=self.headers)

    async def ask_for_call(self, **changes: Any) -> httpx2.Response:
        """POST /api/call-token with the usual body, changed."""
        body = {**CALL, **changes}
        return await self.post("/api/call-token", json.dumps(body))

    async def post(self, path: str, content: str | bytes) -> httpx2.Response:
        return await self.web.client.post(path, content=content, headers=self.headers)


def session_token(**claims: Any) -> str:
    """A valid token of the tests' issuer, with `claims` changed; None removes one."""
    now = SystemClock().now()
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "somebody",
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    wanted = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(wanted, SECRET, algorithm="HS256")


def web_settings(db_dsn: str, media: Media, **changes: Any) -> WebSettings:
    """Settings that depend on nothing of the environment that matters here."""
    return WebSettings.model_validate(
        {
            "database_url": db_dsn,
            "livekit_url": media.url,
            "livekit_api_key": media.key,
            "livekit_api_secret": media.secret,
            "redis_url": None,
            "sentry_dsn": None,
            "livekit_public_url": None,
            "internal_token": WORKER_CREDENTIAL,
            "session_jwt_issuer": ISSUER,
            "session_jwt_audience": AUDIENCE,
            "session_jwt_secret": SECRET,
            "api_key_hmac_secret": API_KEY_SECRET,
            "phone_pin_secret": PHONE_PIN_SECRET,
            "objects_bucket": None,
            "objects_dir": OBJECTS_DIR,
            "object_link_secret": OBJECT_LINK_SECRET,
            "public_url": "http://web.test",
            "recognition_base_url": None,
            "stripe_secret_key": None,
            "stripe_webhook_secret": None,
            "stripe_base_url": None,
            **changes,
        }
    )


@asynccontextmanager
async def running_web(
    settings: WebSettings, *, clock: Clock | None = None, db_dsn: str | None = None
) -> AsyncIterator[Web]:
    """
    The application between start and stop; the workers of the test have 100 slots.

    `db_dsn` is for the test's own connection, where the application's shall be cut.
    """
    app = build_app(settings, clock=clock or SystemClock())
    db = await asyncpg.connect(db_dsn or settings.database_url.get_secret_value())
    transport = httpx2.ASGITransport(app=app)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://web.test") as client,
        ):
            await builders.worker(db)
            yield Web(app, client, db, settings)
    finally:
        await db.close()


def no_media_server() -> Media:
    """An address at which no livekit-server answers."""
    return Media(f"ws://127.0.0.1:{unused_port()}", "key", "a secret of nobody, but long enough")


def unused_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
