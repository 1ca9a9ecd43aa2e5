"""The web process with providers at hand, and what the database knows of generations."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from control_plane.speech.retention import Retention
from tests import builders
from tests.fakes.providers.gemini import GeminiServer
from tests.fakes.providers.openai_speech import OpenAiServer
from tests.web_process import Caller, Web, no_media_server, running_web, web_settings

TEXT = "This is what the provider says. It takes a moment or two."  # 57 characters
PRICE = 4  # credits a character, of the model `openai`
COST = len(TEXT) * PRICE
TABLES = (
    "audio_objects audio_files generation_usage generation_charges credit_transactions credits "
    "loose_objects"
).split()

_COUNTS = """
select (select count(*) from audio_objects) as objects,
  (select count(*) from audio_files) as files,
  (select count(*) from generation_usage) as usage,
  (select count(*) from credit_transactions where kind = 'generation') as debits,
  (select count(*) from generation_charges where state = 'reserved') as holds,
  (select count(*) from generation_charges where state = 'released') as released,
  (select count(*) from loose_objects) as loose
"""


@dataclass(frozen=True, slots=True)
class Speaking:
    """`openai` charges by the character, `gemini` by the token."""

    web: Web
    openai: OpenAiServer
    gemini: GeminiServer
    folder: Path
    voices: dict[tuple[str, str], str]

    def voice(self, model: str = "openai", name: str = "alloy") -> str:
        return self.voices[model, name]

    async def say(self, caller: Caller, **changes: Any) -> httpx2.Response:
        """POST /api/generate-voice with the usual body, changed."""
        body = {"text": TEXT, "voiceId": self.voice(), **changes}
        return await caller.post("/api/generate-voice", json.dumps(body))

    async def counts(self) -> dict[str, int]:
        row = await self.web.db.fetchrow(_COUNTS)
        assert row is not None
        return dict(row)

    async def balance(self, caller: Caller) -> tuple[int, int]:
        """What the account has, and what of it is held; in micro-credits."""
        row = await self.web.db.fetchrow(
            "select balance, reserved from credits where user_id = $1", caller.account.user_id
        )
        assert row is not None
        return row["balance"], row["reserved"]

    async def is_right(self) -> bool:
        return await builders.violations(self.web.db) == []

    def stored(self) -> list[str]:
        """Keys of all stored objects."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )

    @property
    def retention(self) -> Retention:
        services = self.web.app.state.services
        return Retention(services.pool, services.objects, services.settings)


async def fingerprint(web: Web) -> dict[str, str]:
    """One value a table; equal ones mean that no row was added, changed or removed."""
    return {
        table: await web.db.fetchval(
            f"select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {table} t"
        )
        for table in TABLES
    }


def provider_settings(openai: OpenAiServer, gemini: GeminiServer) -> dict[str, Any]:
    return {
        "openai_api_key": "key of the tests",
        "openai_speech_base_url": f"{openai.base_url}/v1",
        "gemini_api_key": "key of the tests",
        "gemini_base_url": gemini.base_url,
        "generations_per_minute": 10_000,
        "cache_believed_s": 0,  # what a test changes is seen at once
    }


@asynccontextmanager
async def speaking_web(db_dsn: str, folder: Path, **changes: Any) -> AsyncIterator[Speaking]:
    media = no_media_server()
    async with OpenAiServer().running() as openai, GeminiServer().running() as gemini:
        settings = web_settings(
            db_dsn,
            media,
            **{"objects_dir": folder, **provider_settings(openai, gemini), **changes},
        )
        async with running_web(settings) as web:
            rows = await web.db.fetch(
                "select model, name, id::text from voices where user_id is null and feature = 'tts'"
            )
            voices = {(row["model"], row["name"]): row["id"] for row in rows}
            yield Speaking(web, openai, gemini, folder, voices)


async def until(is_so: Callable[[], Awaitable[bool]], *, timeout_s: float = 45.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not await is_so():
            await asyncio.sleep(0.01)
