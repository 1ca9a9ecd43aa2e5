"""A person with an account who asks for call tokens; what is done with them is another matter."""

import asyncio
import time

import httpx2

from local.api_client import CallToken
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.stack import Stack

PROMPT = "You are a lighthouse keeper with a secret. Answer briefly."
SETTLED_WITHIN_S = 10
POLL_S = 0.1


async def signed_in(stack: Stack) -> SimulatedCaller:
    """Somebody new, with the sign-up credits."""
    caller = SimulatedCaller(stack.control_plane_url)
    await caller.api.sign_in(caller.email)
    return caller


async def ask(caller: SimulatedCaller, *, instructions: str = PROMPT) -> CallToken:
    return await caller.api.call_token(instructions=instructions, language="en", voice="Ara")


async def settled(
    caller: SimulatedCaller, token: CallToken, *, within_s: float = SETTLED_WITHIN_S
) -> CallResult:
    """The closed call, as a result without a stopwatch."""
    deadline = time.monotonic() + within_s
    while not (record := await caller.api.call(token.call_id)).ended:
        assert time.monotonic() < deadline, record
        await asyncio.sleep(POLL_S)
    return CallResult(
        call_id=token.call_id,
        end_reason=record.end_reason,
        billed_s=record.billed_s,
        settled=True,
    )


async def public_text(stack: Stack, path: str) -> str:
    """What anybody can read at this path."""
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        answer = await client.get(f"{stack.control_plane_url}{path}")
    assert answer.is_success, answer.text
    return answer.text
