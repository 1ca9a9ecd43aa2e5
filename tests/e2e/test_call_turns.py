"""A call of several turns with an interruption, by a simulated caller with its own stopwatch."""

import json
from typing import Any

import pytest

from billing.receipt_seal import read_keys
from billing.verify import check_receipt
from local.call_result import CallResult, Turn
from local.ledger_check import LedgerCheck
from local.microphone import duration_s
from local.stack import Stack
from tests.e2e.customer import public_text
from tests.e2e.evening import LINES, turns
from tests.e2e.ledger import settled_exactly
from tests.e2e.side_by_side import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

FALLS_SILENT_S = 1.5  # after the last word of the interruption, at the latest


async def test_a_call_with_turns_and_a_barge_in_is_billed_to_the_second(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[turns]
    check = await settled_exactly(rough_stack, ended.result)
    print(f"turns: truth {ended.truth_s:.2f} s, billed {check.seconds} s in {check.segments}")
    assert check.segments >= 2, "it lasted longer than one report"
    assert ended.result.end_reason == "caller_hangup"
    assert ended.record["durationSeconds"] in range(check.seconds - 1, check.seconds + 4)


async def test_both_sides_are_heard_shown_and_stored(evening: Running) -> None:
    ended = await evening[turns]
    said = [turn.said for turn in ended.result.turns[:3]]
    assert said == [line.words for line in LINES[:3]]
    assert_interrupted(ended.result.turns[2])
    assert_both_sides_were_shown(ended.result)
    assert_both_sides_were_stored(ended.record)


async def test_the_receipt_of_a_call_can_be_proven_by_its_owner(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[turns]
    check = await settled_exactly(rough_stack, ended.result)
    keys = read_keys(await public_text(rough_stack, "/.well-known/receipt-keys.json"))
    proven = check_receipt("receipt", ended.receipt_text, keys)
    assert proven.problems == []
    assert_agrees(json.loads(ended.receipt_text)["receipt"], check)


def assert_interrupted(turn: Turn) -> None:
    assert turn.barge_in
    assert turn.fell_silent_s is not None, "the agent talked on"
    assert turn.fell_silent_s < duration_s(LINES[2].pcm) + FALLS_SILENT_S


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
    assert "tell me a story" in {line["text"] for line in stored if line["role"] == "user"}
    assert any(line["interrupted"] for line in stored if line["role"] == "assistant")
    assert [line["at"] for line in stored] == sorted(line["at"] for line in stored)


def assert_agrees(receipt: dict[str, Any], check: LedgerCheck) -> None:
    assert receipt["billed_seconds"] == check.seconds
    assert receipt["cost_microcredits"] == check.cost
    assert len(receipt["segments"]) == check.segments
    assert [entry["amount_microcredits"] for entry in receipt["ledger"]] == [-check.cost]
