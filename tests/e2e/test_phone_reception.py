"""Telephone calls that never become calls: strangers, wrong PINs, no PIN, no credit. Cost 0."""

import asyncio
import os
import signal

import pytest

from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.agent_group import media_processes
from tests.e2e.customer import signed_in
from tests.e2e.ledger import connect, leave_only
from tests.e2e.telephone import (
    PIN,
    Telephone,
    a_number,
    as_agent,
    calls_of,
    phone_owner,
    ringing,
    rooms_of,
    the_call,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIGN_UP_CREDITS = 10_000
LINE_ENDED_WITHIN_S = 40  # two looks of the jobs, 10 s apart, on two busy cores


async def count_of_calls(stack: Stack) -> int:
    connection = await connect(stack)
    try:
        count: int = await connection.fetchval("select count(*) from call_sessions")
    finally:
        await connection.close()
    return count


async def test_a_stranger_hears_what_this_is_and_is_hung_up_on(rough_stack: Stack) -> None:
    before = await count_of_calls(rough_stack)
    async with ringing(rough_stack, a_number()) as phone:
        await phone.hung_up()
    assert phone.line.hearing.total_s > 8, "price, address and how to get an account"
    assert await count_of_calls(rough_stack) == before


async def cost_nothing(owner: SimulatedCaller) -> None:
    assert await calls_of(owner) == []
    balance = await owner.api.balance()
    assert (balance.amount, balance.reserved) == (SIGN_UP_CREDITS, 0)


@pytest.mark.parametrize("caller_id", ["7" * 1_000, "<b>+4930123456</b>", "anonymous", "{site}"])
async def test_a_hostile_caller_id_is_spoken_to_like_a_stranger(
    rough_stack: Stack, caller_id: str
) -> None:
    async with ringing(rough_stack, caller_id) as phone:
        await phone.hung_up()
    assert phone.line.hearing.total_s > 8


async def test_a_number_without_a_pin_is_spoken_to_like_a_stranger(rough_stack: Stack) -> None:
    number = a_number()
    owner = await signed_in(rough_stack)
    code = (await owner.api.request("POST", "/api/phone-numbers", {"number": number}))["code"]
    await as_agent(rough_stack, "/phone/digits", number, digits=code)

    async def call(number: str) -> Telephone:
        async with ringing(rough_stack, number) as phone:
            await phone.hung_up(timeout_s=60)
        return phone

    customer, stranger = await asyncio.gather(call(number), call(a_number()))
    difference_s = customer.line.hearing.total_s - stranger.line.hearing.total_s
    assert abs(difference_s) < 0.5, "the same words"
    await cost_nothing(owner)


async def test_a_line_that_still_rings_is_not_spoken_to(rough_stack: Stack) -> None:
    """What is said before the trunk has taken the call is heard by nobody, and may cost."""
    number = a_number()
    owner = await phone_owner(rough_stack, number)
    async with ringing(rough_stack, number, is_taken=False) as phone:
        await phone.line.until(lambda: phone.track_names != [], "the reception to publish")
        with pytest.raises(AssertionError, match="waited in vain"):
            await phone.line.until(
                lambda: phone.line.hearing.first_s is not None, "a word", timeout_s=4
            )
    await cost_nothing(owner)


async def test_an_agent_that_dies_at_the_desk_costs_nothing_and_the_line_is_ended(
    rough: Stack,
) -> None:
    number = a_number()
    owner = await phone_owner(rough, number)
    async with ringing(rough, number) as phone:
        await phone.heard_desk()
        await phone.press(PIN[:3])
        for pid in media_processes(rough):
            os.kill(pid, signal.SIGKILL)
        await phone.hung_up(timeout_s=LINE_ENDED_WITHIN_S)
    assert phone.room_name not in await rooms_of(rough)
    await cost_nothing(owner)


async def test_wrong_pins_lock_the_account_until_their_time_is_over(rough_stack: Stack) -> None:
    number = a_number()
    owner = await phone_owner(rough_stack, number)
    async with ringing(rough_stack, number) as phone:
        for _ in range(3):
            await phone.heard_more(0.5)
            await phone.press("999999#")
        await phone.hung_up()
    for _ in range(2):
        verdict = await as_agent(rough_stack, "/phone/digits", number, digits="888888")
        assert verdict["outcome"] == "wrong"
    async with ringing(rough_stack, number) as phone:
        await phone.hung_up()
    assert (await as_agent(rough_stack, "/phone/digits", number, digits=PIN))["outcome"] == "locked"
    await cost_nothing(owner)
    await the_lock_s_time_passes(rough_stack, owner)
    async with ringing(rough_stack, number) as phone:
        await phone.enter()
        await phone.answered(timeout_s=60)
    assert (await the_call(owner))["endReason"] == "caller_hangup"


async def the_lock_s_time_passes(stack: Stack, owner: SimulatedCaller) -> None:
    connection = await connect(stack)
    try:
        await connection.execute(
            "update phone_pins set locked_until = clock_timestamp() where user_id = $1::uuid",
            owner.api.user_id,
        )
    finally:
        await connection.close()


async def test_silence_at_the_desk_ends_the_call(rough_stack: Stack) -> None:
    number = a_number()
    owner = await phone_owner(rough_stack, number)
    async with ringing(rough_stack, number) as phone:
        await phone.hung_up(timeout_s=75)
    await cost_nothing(owner)


async def test_too_little_credit_is_said_and_nothing_is_held(rough_stack: Stack) -> None:
    number = a_number()
    owner = await phone_owner(rough_stack, number)
    await leave_only(rough_stack, owner.api.user_id, 5)
    async with ringing(rough_stack, number) as phone:
        await phone.enter()
        await phone.hung_up(timeout_s=60)
    assert phone.line.agent_said == []
    assert await calls_of(owner) == []
    assert (await owner.api.balance()).reserved == 0


async def test_who_hangs_up_at_the_desk_leaves_nothing_behind(rough_stack: Stack) -> None:
    number = a_number()
    owner = await phone_owner(rough_stack, number)
    async with ringing(rough_stack, number) as phone:
        await phone.heard_desk()
        await phone.press("27")
    await cost_nothing(owner)


async def test_a_code_entered_on_the_telephone_verifies_its_number(rough_stack: Stack) -> None:
    number = a_number()
    owner = await signed_in(rough_stack)
    code = (await owner.api.request("POST", "/api/phone-numbers", {"number": number}))["code"]
    async with ringing(rough_stack, number) as phone:
        await phone.enter(code)
        await phone.hung_up()
    listed = (await owner.api.request("GET", "/api/phone-numbers"))["data"]
    assert listed[0]["verifiedAt"] is not None
