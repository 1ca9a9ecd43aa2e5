"""The voice provider fails in mid-call: it drops, stands still, refuses for good, has no quota."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agent.absence import absence_in
from local.call_plan import CallPlan, Line
from local.stack import Stack
from tests.e2e.customer import signed_in
from tests.e2e.engine_choice import choosing_models, instructions_of
from tests.e2e.evening import the_record
from tests.e2e.ledger import billed_between
from tests.e2e.talk import HELLO, LONG_S, Talk, lasting, talk
from tests.e2e.unruly_voice import Voice, voice_of

SORRY = "The voice provider failed. Sorry."
GIVEN_UP_WITHIN_S = 30  # the plugin's attempts to connect again
ABSENCE = absence_in("en")
SAID_S = 2.0  # of the sentence, at least
PIPELINE = CallPlan(
    lines=(Line.of("hello there"),), seconds=LONG_S, instructions=instructions_of("pipeline")
)


@pytest_asyncio.fixture
async def voice(rough: Stack) -> AsyncIterator[Voice]:
    voice = voice_of(rough)
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


async def test_an_absence_is_said_aloud_paid_by_nobody_and_in_no_transcript(
    rough: Stack, voice: Voice
) -> None:
    caller = await signed_in(rough)
    silent = CallPlan(lines=(), seconds=LONG_S)
    async with talk(rough, silent, caller=caller) as ann:
        await ann.heard(5)
        await ann.until(lambda: ann.quiet_s > 1, timeout_s=10)
        # When there is no model, and nothing that could make a sentence now
        await voice.fail(drop_after_s=0, refuse=True, tts={"status": 500})
        assert await ann.noticed("provider_away", timeout_s=10) == ABSENCE.away
        told_at_s = time.monotonic()
        await ann.until(lambda: (ann.last_heard_at_s or 0) > told_at_s + SAID_S, timeout_s=6)
        await voice.fail()
        # Then the voice says so, too, once it is back
        await ann.until(lambda: ABSENCE.back in captions_of(ann), timeout_s=10)
        back_at_s = time.monotonic()
        await ann.until(lambda: (ann.last_heard_at_s or 0) > back_at_s, timeout_s=10)
        await ann.until(lambda: ann.quiet_s > 1, timeout_s=10)
        caller.hang_up()
        result = await ann.result(timeout_s=20)
        record = await the_record(caller, result)
    said = " ".join(line["text"] for line in record["transcript"])
    assert ABSENCE.back in said
    assert ABSENCE.away not in said
    free_s = sum(gap["lasted"] for gap in record["gaps"])
    print(f"away: truth {result.talked_s:.2f} s, free {free_s:.2f} s in {record['gaps']}")
    assert free_s > 2 + SAID_S, "until the end of the sentence"
    paid_s = result.talked_s - free_s
    await billed_between(rough, result, at_least_s=paid_s - 2, at_most_s=paid_s + 0.5)


def captions_of(ann: Talk) -> str:
    return " ".join(c.text for c in ann.so_far.captions if c.speaker == "agent")


@pytest.mark.parametrize("part", ["stt", "chat", "tts"])
async def test_a_pipeline_without_one_of_its_models_ends_the_call_where_it_was_lost(
    rough: Stack, voice: Voice, part: str
) -> None:
    async with choosing_models(rough), talk(rough, PIPELINE) as ann:
        await ann.heard(3)
        await voice.fail(**{part: {"status": 401}})
        result = await ann.result(timeout_s=GIVEN_UP_WITHIN_S)
    check = await billed_between(
        rough, result, at_least_s=result.talked_s - 4, at_most_s=result.talked_s
    )
    print(f"no {part}: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert (result.ended_by, result.end_reason) == ("agent", "provider_error")
    assert_told(ann)


async def test_a_pipeline_that_stands_still_costs_nothing_and_goes_on(
    rough: Stack, voice: Voice
) -> None:
    caller = await signed_in(rough)
    async with choosing_models(rough), talk(rough, PIPELINE, caller=caller) as ann:
        await ann.heard(3)
        await voice.fail(chat={"status": 503})
        assert await ann.noticed("provider_away", timeout_s=15) == ABSENCE.away
        told_at_s = time.monotonic()
        await ann.until(lambda: (ann.last_heard_at_s or 0) > told_at_s + 1, timeout_s=6)
        await voice.fail()
        await ann.until(lambda: answered_since(ann, told_at_s + 1), timeout_s=10)
        await ann.until(lambda: ann.heard_s > 14, timeout_s=15)
        caller.hang_up()
        result = await ann.result(timeout_s=20)
        record = await the_record(caller, result)
    free_s = sum(gap["lasted"] for gap in record["gaps"])
    assert free_s > 2
    paid_s = result.talked_s - free_s
    await billed_between(rough, result, at_least_s=paid_s - 2, at_most_s=paid_s + 0.5)
    assert ABSENCE.away not in " ".join(line["text"] for line in record["transcript"])


def assert_told(ann: Talk) -> None:
    assert [n.message for n in ann.so_far.notices if n.kind == "ended"] == [SORRY]
    errors = [rpc.payload for rpc in ann.so_far.rpcs if rpc.method == "pg.error"]
    assert errors == [{"error": "provider_error", "message": SORRY}]
