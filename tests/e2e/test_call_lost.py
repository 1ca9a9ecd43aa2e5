"""Callers who are gone without a word: the silence is theirs, the bill is not."""

import pytest

from local.stack import Stack
from tests.e2e.evening import AWAY_S, came_back, vanished
from tests.e2e.ledger import billed_between
from tests.e2e.rough_stack import PATIENCE
from tests.e2e.side_by_side import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

REJOIN_LIMIT_S = int(PATIENCE["CALL_REJOIN_LIMIT_S"])
BACK_WITHIN_S = 4  # until who came back is heard again
MISSED_WITHIN_S = 5  # two seconds without a packet, and what two busy cores add


async def test_a_caller_who_vanishes_is_not_billed_for_the_silence(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[vanished]
    print(f"vanished: truth {ended.truth_s:.2f} s, billed {ended.result.billed_s} s")
    await billed_between(
        rough_stack, ended.result, at_least_s=ended.truth_s - 2, at_most_s=ended.truth_s
    )
    assert ended.result.end_reason == "caller_lost"
    lasted_s = ended.record["durationSeconds"]
    assert lasted_s <= ended.truth_s + REJOIN_LIMIT_S + MISSED_WITHIN_S


async def test_a_caller_who_comes_back_goes_on_with_the_same_bill(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[came_back]
    print(f"came back: truth {ended.truth_s:.2f} s, billed {ended.result.billed_s} s")
    await billed_between(
        rough_stack, ended.result, at_least_s=ended.truth_s - 3, at_most_s=ended.truth_s
    )
    assert ended.result.end_reason == "caller_hangup"
    assert ended.record["durationSeconds"] > ended.truth_s + 1, "the gap is wall time, not paid"
    gaps = ended.record["gaps"]
    print(f"gaps: {gaps}")
    assert {gap["cause"] for gap in gaps} <= {"caller_away", "media_lost"}
    assert AWAY_S - 1 <= sum(gap["lasted"] for gap in gaps) <= AWAY_S + BACK_WITHIN_S
