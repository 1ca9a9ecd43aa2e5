"""The voice provider fails in mid-call: a dropped connection, a refusal for good, no quota."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest_asyncio

from local.stack import Stack
from tests.e2e.ledger import billed_between
from tests.e2e.talk import HELLO, Talk, lasting, talk

SORRY = "The voice provider failed. Sorry."
GIVEN_UP_WITHIN_S = 30  # the plugin's attempts to connect again


@dataclass(frozen=True, slots=True)
class Voice:
    """The local voice of a stack, told to misbehave."""

    url: str

    async def fail(self, **faults: Any) -> None:
        """Put these faults in force, and no others."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.post(f"{self.url}/faults", json=faults)
        assert answer.is_success, answer.text


@pytest_asyncio.fixture
async def voice(rough: Stack) -> AsyncIterator[Voice]:
    voice = Voice(rough.env["OPENAI_BASE_URL"].removesuffix("/v1"))
    yield voice
    await voice.fail()


async def test_a_dropped_connection_to_the_voice_is_made_again(rough: Stack, voice: Voice) -> None:
    async with talk(rough, lasting(9.5)) as ann:
        await ann.heard(3)
        await voice.fail(drop_after_s=0, times=1)
        dropped_at_s = time.monotonic()
        await ann.until(lambda: answered_since(ann, dropped_at_s + 0.5), timeout_s=8)
        result = await ann.result(timeout_s=30)
    check = await billed_between(
        rough, result, at_least_s=result.talked_s - 3, at_most_s=result.talked_s
    )
    print(f"voice dropped: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"


def answered_since(ann: Talk, moment_s: float) -> bool:
    captions = ann.so_far.captions
    return any(c.speaker == "agent" and c.at_s > moment_s for c in captions)


async def test_a_voice_that_does_not_come_back_ends_the_call_where_it_was_lost(
    rough: Stack, voice: Voice
) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(3.5)
        await voice.fail(drop_after_s=0, refuse=True)
        truth_s = ann.heard_s
        result = await ann.result(timeout_s=GIVEN_UP_WITHIN_S)
    check = await billed_between(rough, result, at_least_s=truth_s - 2, at_most_s=truth_s)
    print(f"voice gone: truth {truth_s:.2f} s, billed {check.seconds} s, {result.talked_s:.1f} s")
    assert (result.ended_by, result.end_reason) == ("agent", "provider_error")
    assert_told(ann)


async def test_a_provider_that_wants_its_own_bill_paid_ends_the_call(
    rough: Stack, voice: Voice
) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(2)
        await voice.fail(error_code="insufficient_quota")
        result = await ann.result(timeout_s=GIVEN_UP_WITHIN_S)
    check = await billed_between(
        rough, result, at_least_s=result.talked_s - 4, at_most_s=result.talked_s
    )
    print(f"quota: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert (result.ended_by, result.end_reason) == ("agent", "provider_error")
    assert_told(ann)


def assert_told(ann: Talk) -> None:
    assert [n.message for n in ann.so_far.notices if n.kind == "ended"] == [SORRY]
    errors = [rpc.payload for rpc in ann.so_far.rpcs if rpc.method == "pg.error"]
    assert errors == [{"error": "provider_error", "message": SORRY}]
