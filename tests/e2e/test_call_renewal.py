"""A real call over a provider that drops every few seconds: nothing is lost, no gap is billed."""

from typing import Any

import pytest

from local.call_plan import CallPlan, Line
from local.call_result import CallResult
from local.stack import Stack
from local.voice.persona import topic_of
from tests.e2e.customer import signed_in
from tests.e2e.evening import the_record
from tests.e2e.ledger import billed_between
from tests.e2e.talk import talk
from tests.e2e.unruly_voice import faults

DROPS_EVERY_S = 4.0
LINES = ("count to twenty", "how does the billing work", "tell me about yourself")
SECONDS = 60.0  # of talk: each line once
MISHEARD_MAX = 1  # the ear of the local voice understands 19 of 20 sentences, drops or not
GAP_MAX_S = 1.0  # from a drop until the provider speaks with us again


@pytest.mark.timeout(240)
async def test_a_provider_that_drops_every_few_seconds_loses_no_answer(rough: Stack) -> None:
    caller = await signed_in(rough)
    async with faults(rough, drop_after_s=DROPS_EVERY_S):
        plan = CallPlan(lines=tuple(Line.of(words) for words in LINES), seconds=SECONDS)
        async with talk(rough, plan, caller=caller) as ann:
            result = await ann.result(timeout_s=SECONDS + 40)
            record = await the_record(caller, result)
    assert result.end_reason == "caller_hangup"
    assert_whole(result, record["transcript"])
    lasted_s = [gap["lasted"] for gap in record["gaps"]]
    assert len(lasted_s) >= SECONDS / DROPS_EVERY_S / 2, "it dropped"
    assert max(lasted_s) < GAP_MAX_S
    free_s = sum(lasted_s)
    check = await billed_between(
        rough, result, at_least_s=result.talked_s - free_s - 2, at_most_s=result.talked_s - free_s
    )
    print(f"drops: truth {result.talked_s:.1f} s, billed {check.seconds} s, free {free_s:.1f} s")


def assert_whole(result: CallResult, transcript: list[dict[str, Any]]) -> None:
    """Each line was heard once and answered to its last word."""
    assert all(turn.latency_s is not None for turn in result.turns), result.turns
    said = [line["text"] for line in transcript if line["role"] == "user"]
    asked = [turn.said for turn in result.turns]
    assert len(said) == len(asked), (said, asked)
    assert sum(a != b for a, b in zip(said, asked, strict=True)) <= MISHEARD_MAX, said
    answers = " ".join(line["text"] for line in transcript if line["role"] == "assistant")
    for words in said:
        topic = topic_of(words)
        assert topic
        assert topic.answer in answers, answers
