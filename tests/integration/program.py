"""A program with an API key, a web process for it, and a speech server behind that."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.fakes.reading_voice import ReadingVoice
from tests.integration.key_desk import Key, make_key
from tests.web_process import Caller, Media, Web, running_web, web_settings

DEADLINE_S = 30.0
SCOPES = ["speech:generate", "voices:read", "billing:read", "usage:read", "jobs"]
NO_PROVIDERS = {
    "gemini_api_key": None,
    "replicate_api_token": None,
    "xai_api_key": None,
    "mistral_api_key": None,
    "openai_api_key": None,
    "openai_speech_base_url": None,
    "local_voice_url": None,
}


@dataclass(frozen=True, slots=True)
class Program:
    """Asks as a program does; `owner` is the person whose key it has."""

    web: Web
    owner: Caller
    key: Key

    @property
    def headers(self) -> dict[str, str]:
        return self.key.headers

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.web.client.get(path, headers={**self.headers, **headers})

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """`body` as JSON unless it is text; header names with underscores."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.web.client.post(
            path, content=content, headers=self._headers(named), timeout=DEADLINE_S
        )

    def _headers(self, named: dict[str, str]) -> httpx2.Headers:
        headers = httpx2.Headers(self.headers)
        headers.update(named)  # in any case of letters
        return headers

    async def money(self) -> tuple[int, int]:
        """Balance and holds, in credits."""
        row = await self.web.db.fetchrow(
            "select balance / 1000000 as balance, reserved / 1000000 as reserved "
            "from credits where user_id = $1",
            self.owner.account.user_id,
        )
        assert row is not None
        return row["balance"], row["reserved"]


def program_settings(
    db_dsn: str, media: Media, voice: ReadingVoice, **changes: Any
) -> dict[str, Any]:
    """Settings of a web process with the local model alone, spoken by `voice`."""
    return {
        **NO_PROVIDERS,
        "local_voice_url": voice.url,
        "api_requests_per_minute": 10_000,
        "api_account_requests_per_minute": 10_000,
        **changes,
    }


@asynccontextmanager
async def program_at(
    db_dsn: str,
    media: Media,
    voice: ReadingVoice,
    *,
    balance: int = 10_000,
    scopes: list[str] | None = None,
    **changes: Any,
) -> AsyncIterator[Program]:
    settings = web_settings(db_dsn, media, **program_settings(db_dsn, media, voice, **changes))
    async with running_web(settings) as web:
        yield await program_of(web, balance=balance, scopes=scopes)


async def program_of(
    web: Web, *, balance: int = 10_000, scopes: list[str] | None = None
) -> Program:
    """Another program of another account."""
    owner = await web.account(balance=balance, paid=True)
    return Program(web, owner, await make_key(owner, scopes=scopes or SCOPES))


async def until(condition: Callable[[], Awaitable[Any]], *, deadline_s: float = DEADLINE_S) -> Any:
    """The first true outcome of `condition`."""
    async with asyncio.timeout(deadline_s):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found
