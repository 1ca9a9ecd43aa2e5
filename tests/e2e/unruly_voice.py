"""The local voice of a stack, told to misbehave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from local.stack import Stack


@dataclass(frozen=True, slots=True)
class Voice:
    url: str

    async def fail(self, **faults: Any) -> None:
        """Put these faults in force, and no others."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.post(f"{self.url}/faults", json=faults)
        assert answer.is_success, answer.text

    async def last_voice(self) -> str:
        """The name that was asked for last."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            name: str = (await client.get(f"{self.url}/stats")).json()["last_voice"]
        return name


def voice_of(stack: Stack) -> Voice:
    return Voice(stack.env["OPENAI_BASE_URL"].removesuffix("/v1"))


@asynccontextmanager
async def faults(stack: Stack, **wanted: Any) -> AsyncIterator[Voice]:
    """In force until the block ends."""
    voice = voice_of(stack)
    await voice.fail(**wanted)
    try:
        yield voice
    finally:
        await voice.fail()
