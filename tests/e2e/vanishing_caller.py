"""
A caller in a process of its own, to be killed in the middle of a word.

    python -m tests.e2e.vanishing_caller URL    the token comes on standard input

Prints the moment (monotonic clock, the same for all processes) of the agent's first sound.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from local.api_client import CallToken
from local.layout import ROOT
from tests.e2e.handset import joined

START_MAX_S = 30  # Python, WebRTC and the agent's first word on two busy cores


async def talk_for_ever(url: str, token: str) -> None:
    async with joined(url, token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        print(handset.first_heard_at_s, flush=True)
        while True:
            await handset.say("hello there")
            await asyncio.sleep(1)


@dataclass(slots=True)
class Vanishing:
    """The other process, seen from the test."""

    process: asyncio.subprocess.Process
    first_heard_at_s: float

    async def vanish_at(self, second: float) -> float:
        """kill -9 at this second of the call; returns how long it really had lasted."""
        await asyncio.sleep(max(0.0, self.first_heard_at_s + second - time.monotonic()))
        self.process.kill()
        lasted_s = time.monotonic() - self.first_heard_at_s
        await self.process.wait()
        return lasted_s


@asynccontextmanager
async def vanishing(token: CallToken) -> AsyncIterator[Vanishing]:
    """A caller who has just heard the agent."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.vanishing_caller",
        token.url,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(token.access_token.encode() + b"\n")
        async with asyncio.timeout(START_MAX_S):
            line = await process.stdout.readline()
        yield Vanishing(process, float(line))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(talk_for_ever(sys.argv[1], sys.stdin.readline().strip()))
