"""A call of several turns with an interruption, by simulated callers who keep their own stopwatch."""

import asyncio
from typing import Any

from local.call_plan import CallPlan, Line
from local.call_result import CallResult, Turn
from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.ledger import settled_exactly

LINES = (
    Line.of("hello there"),
    Line.of("tell me a story"),
    Line.of("please stop talking", barge_in=True),
    Line.of("how does the billing work"),
)
PLAN = CallPlan(lines=LINES, seconds=24)
FALLS_SILENT_S = 1.5  # words of the interruption included, which last longer than a second


async def called(stack: Stack, plan: CallPlan) -> tuple[CallResult, dict[str, Any]]:
    """What the caller got, and what the control plane shows of the call afterwards."""
    caller = SimulatedCaller(stack.control_plane_url)
    result = await caller.place(plan)
    assert result.call_id, result
    record = await caller.api.call(result.call_id)
    await caller.close()
    return result, record.body


async def test_calls_with_turns_and_a_barge_in_are_billed_to_the_second(stack: Stack) -> None:
    calls = await asyncio.gather(*(called(stack, PLAN) for _ in range(2)))
    for result, record in calls:
        check = await settled_exactly(stack, result)
        print(f"truth {result.talked_s:.2f} s, billed {check.seconds} s, {check.segments} segments")
        assert result.end_reason == "caller_hangup"
        assert [turn.said for turn in result.turns[:3]] == [line.words for line in LINES[:3]]
        assert_interrupted(result.turns[2])
        assert_both_sides_were_shown(result)
        assert_both_sides_were_stored(record)
        assert record["durationSeconds"] in range(check.seconds - 1, check.seconds + 3)


def assert_interrupted(turn: Turn) -> None:
    assert turn.barge_in
    assert turn.fell_silent_s is not None, "the agent talked on"
    assert turn.fell_silent_s < FALLS_SILENT_S + len(LINES[2].pcm) / 48_000


def assert_both_sides_were_shown(result: CallResult) -> None:
    said = [caption.text for caption in result.captions if caption.speaker == "you"]
    assert {"hello there", "tell me a story", "please stop talking"} <= set(said)
    answers = " ".join(c.text for c in result.captions if c.speaker == "agent")
    assert "Once there was a lighthouse keeper" in answers
    assert "neither of them was alone any more" not in answers, "words that nobody heard"
    assert [meter.state for meter in result.meters[:2]] == ["waiting", "running"]
    assert result.billed_s is not None
    assert result.meters[-1].seconds <= result.billed_s


def assert_both_sides_were_stored(record: dict[str, Any]) -> None:
    stored = record["transcript"]
    assert {line["role"] for line in stored} == {"user", "assistant"}
    assert {"tell me a story"} <= {line["text"] for line in stored if line["role"] == "user"}
    assert any(line["interrupted"] for line in stored if line["role"] == "assistant")
    assert [line["at"] for line in stored] == sorted(line["at"] for line in stored)
