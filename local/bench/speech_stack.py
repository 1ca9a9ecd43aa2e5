"""A stack whose speech comes from the bench's own provider, and a customer who can pay."""

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg

from local.bench.speech_provider import BenchProvider, bench_provider
from local.options import progress
from local.stack import Stack

PARTS = ("postgres", "redis", "migrate", "web")
RICH = 10**15  # micro-credits; no benchmark runs an account dry
VOICE = "alloy"
# No limit of ours shall be what is measured.
SETTINGS = {
    "GENERATIONS_PER_MINUTE": "100000",
    "API_REQUESTS_PER_MINUTE": "100000",
    "API_ACCOUNT_REQUESTS_PER_MINUTE": "100000",
    "GENERATIONS_IN_FLIGHT_MAX": "1000",
}

_GRANT = """
with paid as (update credits set balance = balance + $2, paid = true where user_id = $1)
insert into credit_transactions(user_id, kind, amount, source, source_id)
values ($1, 'topup', $2, 'bench', $1::text)
"""
_VOICE = "select id::text from voices where model = 'openai' and name = $1"


@dataclass(frozen=True, slots=True)
class Customer:
    token: str
    api_key: str
    voice_id: str

    @property
    def session_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "content-type": "application/json"}

    @property
    def key_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class SpeechBench:
    stack: Stack
    provider: BenchProvider
    customer: Customer


@asynccontextmanager
async def speech_bench() -> AsyncIterator[SpeechBench]:
    async with bench_provider() as provider:
        environment = {
            **os.environ,
            **SETTINGS,
            "LOCAL_REAL_VOICE": "1",  # keeps the address below; no key of anybody is used
            "OPENAI_SPEECH_BASE_URL": provider.url,
            "OPENAI_SPEECH_API_KEY": "bench",
        }
        for name in ("OPENAI_API_KEY", "XAI_API_KEY", "GEMINI_API_KEY"):
            environment.pop(name, None)
        with tempfile.TemporaryDirectory() as folder:
            started = Stack.start(
                data_dir=Path(folder), environment=environment, only=PARTS, log=progress
            )
            async with started as stack:
                yield SpeechBench(stack, provider, await _customer(stack))


async def _customer(stack: Stack) -> Customer:
    async with aiohttp.ClientSession(stack.control_plane_url) as http:
        body = json.dumps({"email": "bench@example.test"})
        async with http.post("/dev/session", data=body) as answer:
            session = await answer.json()
        database = await asyncpg.connect(stack.database_url)
        try:
            await database.execute(_GRANT, UUID(session["userId"]), RICH)
            voice_id: str = await database.fetchval(_VOICE, VOICE)
        finally:
            await database.close()
        headers = {"authorization": f"Bearer {session['token']}"}
        async with http.post("/api/api-keys", data='{"name": "bench"}', headers=headers) as answer:
            api_key: str = (await answer.json())["key"]
    return Customer(session["token"], api_key, voice_id)
