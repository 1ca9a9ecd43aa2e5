"""The end of a prepaid call: announced, heard, at the second that was paid for; or put off."""

import pytest

from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.evening import CREDITS, SECONDS, TOP_UP, exact_balance, topped_up
from tests.e2e.ledger import billed_between, settled_exactly
from tests.e2e.side_by_side import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREDIT = 1_000_000  # micro-credits
COST = 416_666_667  # of 25 s
PRICE_OF_A_SECOND = 16_666_667
FAREWELL_S = 3.5  # from the last second until the room is gone: the settlement is waited for
WARNED_S = 20  # the second warning


def kinds(result: CallResult) -> list[str]:
    return [notice.kind for notice in result.notices]


async def test_a_balance_for_25_seconds_ends_the_call_at_second_25(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[exact_balance]
    result = ended.result
    check = await billed_between(rough_stack, result, at_least_s=SECONDS, at_most_s=SECONDS)
    print(f"credit for {SECONDS} s: truth {ended.truth_s:.2f} s, billed {check.seconds} s")
    assert (result.ended_by, result.end_reason) == ("agent", "credit_exhausted")
    assert SECONDS - 0.5 <= ended.truth_s <= SECONDS + FAREWELL_S
    assert check.cost == COST
    assert check.balance == CREDITS * CREDIT - COST
    assert 0 <= check.balance < PRICE_OF_A_SECOND
    assert ended.record["endWords"] == "The credit for this call is used up."


async def test_the_end_of_the_credit_is_announced_and_goodbye_is_heard(evening: Running) -> None:
    ended = await evening[exact_balance]
    result = ended.result
    assert kinds(result) == ["low_balance", "low_balance", "goodbye", "ended"]
    first, last, goodbye, end = result.notices
    assert first.seconds_left in {SECONDS, SECONDS - 1}
    assert last.seconds_left in {WARNED_S, WARNED_S - 1}
    assert last.message == f"You have {last.seconds_left} seconds left."
    assert goodbye.message == "Our time is up. Goodbye!"
    assert end.message == "The credit for this call is used up."
    toasts = [rpc.payload for rpc in result.rpcs if rpc.method == "pg.toast"]
    assert [toast["variant"] for toast in toasts] == ["warning", "warning"]
    errors = [rpc.payload["error"] for rpc in result.rpcs if rpc.method == "pg.error"]
    assert errors == ["insufficient_credits"]


async def test_the_warning_and_the_goodbye_are_spoken_inside_the_paid_time(
    evening: Running,
) -> None:
    ended = await evening[exact_balance]
    spoken = [c.text for c in ended.result.captions if c.speaker == "agent"]
    assert "Our time is up. Goodbye!" in spoken
    assert any(text.startswith("You have") for text in spoken), "a warning nobody heard"
    assert SECONDS - 6 <= ended.last_heard_s <= SECONDS + 1


async def test_credit_that_comes_in_mid_call_extends_it_and_takes_the_warning_back(
    evening: Running, rough_stack: Stack
) -> None:
    ended = await evening[topped_up]
    result = ended.result
    check = await settled_exactly(rough_stack, result)
    print(f"topped up: truth {ended.truth_s:.2f} s, billed {check.seconds} s")
    assert check.seconds > SECONDS
    assert result.end_reason == "caller_hangup"
    assert kinds(result) == ["low_balance", "low_balance", "credit_added"]
    words = result.notices[-1].message
    assert words == "Thank you, your credit was added. We can go on."
    toasts = [rpc.payload for rpc in result.rpcs if rpc.method == "pg.toast"]
    assert toasts[-1] == {"title": words, "variant": "success"}
    assert result.meters[-1].granted_seconds > SECONDS
    assert check.balance == (CREDITS + TOP_UP) * CREDIT - check.cost
