"""Calls by telephone that become calls: what each of them was, and what it cost to the second."""

import pytest

from local.stack import Stack
from tests.e2e.ledger import call_row
from tests.e2e.phone_evening import (
    CREDITS,
    SECONDS,
    SILENCE_S,
    chosen,
    cut,
    last_minute,
    phone_evening,
    silent,
    two_phones,
    understood,
)
from tests.e2e.side_by_side import Running
from tests.e2e.telephone import the_call

__all__ = ["phone_evening", "the_call"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREDIT = 1_000_000  # micro-credits
COST = 416_666_667  # of 25 s
UNTIL_SEEN_S = 2.5  # the clock stands so soon after the trunk's last packet
FAREWELL_S = 4  # from the last second until the room is gone: the settlement is waited for


async def test_a_call_at_8_khz_is_understood_and_billed_from_its_first_word(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call = await phone_evening[understood]
    assert call.record["endReason"] == "caller_hangup"
    await call.bill(rough_stack)
    row = await call_row(rough_stack, call.record["id"])
    rang_s = (row["started_at"] - row["authorized_at"]).total_seconds()
    assert rang_s < 15, "and the reception before it has no row at all"


async def test_the_last_minute_is_announced_and_the_line_is_hung_up_at_the_last_second(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call = await phone_evening[last_minute]
    assert any(line.startswith("You have 20 seconds") or "19 seconds" in line for line in call.said)
    assert "Our time is up. Goodbye!" in call.said
    assert call.record["endReason"] == "credit_exhausted"
    check = await call.bill(rough_stack, at_least_s=SECONDS, at_most_s=SECONDS)
    assert (check.cost, check.balance) == (COST, CREDITS * CREDIT - COST)
    assert SECONDS - 0.5 <= call.talked_s <= SECONDS + FAREWELL_S
    assert call.is_hung_up


async def test_a_second_telephone_of_the_account_is_turned_away_and_the_first_talks_on(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call, second = await phone_evening[two_phones]
    assert call.record["endReason"] == "caller_hangup"
    await call.bill(rough_stack)
    assert second.voice.first_s is None
    assert second.line.agent_said == []


async def test_a_trunk_that_is_cut_ends_the_call_and_bills_nothing_after_it(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call = await phone_evening[cut]
    assert call.record["endReason"] == "caller_lost"
    await call.bill(rough_stack, at_least_s=call.talked_s - UNTIL_SEEN_S)


async def test_silence_ends_the_call_and_hangs_up(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call = await phone_evening[silent]
    assert call.record["endReason"] == "caller_silent"
    assert call.is_hung_up
    assert call.talked_s >= SILENCE_S
    await call.bill(rough_stack, at_least_s=call.talked_s - FAREWELL_S)


async def test_the_keys_choose_a_character_and_a_language_which_the_call_then_has(
    phone_evening: Running, rough_stack: Stack
) -> None:
    call = await phone_evening[chosen]
    await call.bill(rough_stack)
    assert any("KI-Stimme" in line for line in call.said), call.said
    assert not any("Ara" in line for line in call.said), call.said
