"""
An evening of telephone calls on one stack: what happens in them. What must be true of them is in
test_phone_calls.py.

`phone_evening` is the fixture; it takes as long as the longest of them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.ledger_check import LedgerCheck
from local.stack import Stack
from tests.e2e.ledger import billed_between, leave_only
from tests.e2e.side_by_side import Running, side_by_side
from tests.e2e.telephone import (
    PIN,
    Telephone,
    a_line,
    a_number,
    calls_of,
    phone_owner,
    ringing,
    rooms_of,
    sip_token,
    the_call,
)
from tests.e2e.vanishing_phone import vanishing_phone

CREDITS = 420  # 25.2 s at 1,000 credits a minute: nobody can buy the last fifth of a second
SECONDS = 25
CLOSED_WITHIN_S = 40  # LiveKit tells of a vanished participant after 15 s; the clock stands before
SILENCE_S = 45  # CALL_SILENCE_LIMIT_S
ANSWER_MAX_S = 60  # the reception, the menu and the greeting, side by side on two busy cores


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. `talked_s`: the caller's own stopwatch of the character."""

    owner: SimulatedCaller
    record: dict[str, Any]  # of GET /api/calls/{id}
    talked_s: float
    said: list[str]  # by the agent, as captions
    is_hung_up: bool = False  # by us, and the room is gone

    async def bill(
        self, stack: Stack, *, at_least_s: float | None = None, at_most_s: float | None = None
    ) -> LedgerCheck:
        """
        By the stopwatch: not a second more, and at most one less. What a machine that is too busy
        gave away is listed as a gap.
        """
        free_s = sum(gap["lasted"] for gap in self.record["gaps"])
        result = CallResult(call_id=self.record["id"], billed_s=self.record["billedSeconds"])
        return await billed_between(
            stack,
            result,
            at_least_s=self.talked_s - 1 - free_s if at_least_s is None else at_least_s,
            at_most_s=self.talked_s if at_most_s is None else at_most_s,
        )


async def whole(owner: SimulatedCaller, listed: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = await owner.api.request("GET", f"/api/calls/{listed['id']}")
    return record


async def ended(
    stack: Stack, owner: SimulatedCaller, phone: Telephone, *, talked_s: float, within_s: float = 15
) -> Ended:
    record = await whole(owner, await the_call(owner, within_s=within_s))
    is_hung_up = phone.line.left_at_s is not None and phone.room_name not in await rooms_of(stack)
    return Ended(owner, record, talked_s, phone.line.agent_said, is_hung_up)


async def understood(stack: Stack) -> Ended:
    """The usual call: PIN, silence at the menu, a question at 8 kHz, stray keys, hang-up."""
    number = a_number()
    owner = await phone_owner(stack, number)
    async with ringing(stack, number) as phone:
        await phone.enter()
        await phone.answered(timeout_s=ANSWER_MAX_S)
        await phone.hear("Sixteen, seventeen", to="count to twenty")
        await phone.press("5*0#")
        await phone.hear("Sixteen, seventeen", to="count to twenty")
        talked_s = phone.talked_s
    return await ended(stack, owner, phone, talked_s=talked_s)


async def last_minute(stack: Stack) -> Ended:
    """Credit for SECONDS, and a caller who would stay for ever."""
    number = a_number()
    owner = await phone_owner(stack, number)
    await leave_only(stack, owner.api.user_id, CREDITS)
    async with ringing(stack, number) as phone:
        await phone.enter()
        await phone.answered(timeout_s=ANSWER_MAX_S)
        await phone.hung_up(timeout_s=SECONDS + 20)
        assert phone.line.left_at_s
        assert phone.voice.first_s
        talked_s = phone.line.left_at_s - phone.voice.first_s
    return await ended(stack, owner, phone, talked_s=talked_s)


async def two_phones(stack: Stack) -> tuple[Ended, Telephone]:
    """The second telephone of an account, while the first is in a call."""
    one, other = a_number(), a_number()
    owner = await phone_owner(stack, one, other)
    async with ringing(stack, one) as first:
        await first.enter()
        await first.answered(timeout_s=ANSWER_MAX_S)
        async with ringing(stack, other) as second:
            await second.enter()
            await second.hung_up(timeout_s=ANSWER_MAX_S)
        assert first.line.left_at_s is None
        assert len(await calls_of(owner)) == 1
        talked_s = first.talked_s
    return await ended(stack, owner, first, talked_s=talked_s), second


async def cut(stack: Stack) -> Ended:
    """The trunk's connection is gone, without a word."""
    number = a_number()
    owner = await phone_owner(stack, number)

    async def token() -> str:
        return sip_token(stack, await a_line(stack), number)

    async with vanishing_phone(stack.env["LIVEKIT_URL"], token) as phone:
        talked_s = await phone.vanish_at(6)
        record = await whole(owner, await the_call(owner, within_s=CLOSED_WITHIN_S))
    return Ended(owner, record, talked_s, said=[])


async def silent(stack: Stack) -> Ended:
    """Somebody who has laid the telephone aside."""
    number = a_number()
    owner = await phone_owner(stack, number)
    async with ringing(stack, number) as phone:
        await phone.enter()
        await phone.answered(timeout_s=ANSWER_MAX_S)
        await phone.hung_up(timeout_s=SILENCE_S + 30)
        assert phone.line.left_at_s
        assert phone.voice.first_s
        talked_s = phone.line.left_at_s - phone.voice.first_s
    return await ended(stack, owner, phone, talked_s=talked_s)


async def chosen(stack: Stack) -> Ended:
    """A character and a language from the menu, and an operator who is not there."""
    number = a_number()
    owner = await phone_owner(stack, number)
    async with ringing(stack, number) as phone:
        await phone.enter(f"{PIN}#")
        for key in "90":  # once more, and the operator: "connecting", a try, "nobody there"
            await phone.answer_with(key)
        await phone.heard_more(5)
        for key in "34211":  # languages: German, characters: the first, begin
            await phone.answer_with(key)
        await phone.answered(timeout_s=ANSWER_MAX_S)
        await phone.line.until(phone.line._is_quiet, "the end of the greeting")
        talked_s = phone.talked_s
    return await ended(stack, owner, phone, talked_s=talked_s)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phone_evening(rough_stack: Stack) -> AsyncIterator[Running]:
    scenarios = (understood, last_minute, two_phones, cut, silent, chosen)
    async with side_by_side(rough_stack, *scenarios) as calls:
        yield calls
