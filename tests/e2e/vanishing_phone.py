"""
A telephone in a process of its own, to be killed in the middle of a call: the trunk is cut.

    python -m tests.e2e.vanishing_phone URL    the token comes on standard input

Prints a line once it is ready for the token: a room waits for its caller for seconds only. Then the
moment (monotonic clock) at which the character was first heard.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from local.layout import ROOT
from tests.e2e.telephone import bridged
from tests.e2e.vanishing_caller import Vanishing

BEGIN_MAX_S = 60  # the reception, the menu, and Python on two busy cores


async def talk_for_ever(url: str, token: str) -> None:
    async with bridged(url, token) as phone:
        await phone.enter()
        await phone.answered(timeout_s=40)
        print(phone.voice.first_s, flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def vanishing_phone(
    url: str, token: Callable[[], Awaitable[str]]
) -> AsyncIterator[Vanishing]:
    """A call under way that can be cut. `token` is asked for when the telephone is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.vanishing_phone",
        url,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        async with asyncio.timeout(BEGIN_MAX_S):
            await process.stdout.readline()
            process.stdin.write((await token()).encode() + b"\n")
            line = await process.stdout.readline()
        yield Vanishing(process, float(line))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    print("ready", flush=True)
    asyncio.run(talk_for_ever(sys.argv[1], sys.stdin.readline().strip()))
