"""
Calls that end by themselves: credit runs out, or the caller is gone. And calls that do not, after
all: credit comes, or the caller comes back.

They need time, not attention, so all of them run side by side; each test waits for its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.handset import joined
from tests.e2e.ledger import billed_between, leave_only, post_credit, settled_exactly
from tests.e2e.talk import HELLO, lasting, talk
from tests.e2e.vanishing_caller import vanishing

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREDITS = 420  # 25.2 s at 1,000 credits a minute: nobody can buy the last fifth of a second
SECONDS = 25
TOP_UP = 3_000  # three minutes: no warning is due after it
COST = 416_666_667  # micro-credits of 25 s
PRICE_OF_A_SECOND = 16_666_667
REJOIN_LIMIT_S = 6
FAREWELL_S = 3.5  # from the last second until the room is gone: the settlement is waited for
UNSEEN_S = 3  # until a caller who vanished without a word is missed

Scenario = Callable[[Stack], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A call and what was true of it. `truth_s`: how long caller and agent could talk."""

    result: CallResult
    truth_s: float
    record: dict[str, Any]
    goodbye_heard_at_s: float = 0.0


async def exact_balance(stack: Stack) -> Ended:
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, CREDITS)
    async with talk(stack, HELLO, caller=caller) as ann:
        result = await ann.result(timeout_s=SECONDS + 30)
        first_s, last_s = ann.first_heard_at_s, ann.last_heard_at_s
        assert first_s
        assert last_s
        return Ended(result, result.talked_s, await the_record(ann.caller, result), last_s - first_s)


async def topped_up(stack: Stack) -> Ended:
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, CREDITS)
    async with talk(stack, lasting(SECONDS + 3.5), caller=caller) as bob:
        await bob.until(lambda: kinds(bob.so_far).count("low_balance") == 2, timeout_s=30)
        await post_credit(stack, caller.api.user_id, TOP_UP)
        await bob.noticed("credit_added", timeout_s=5)
        result = await bob.result(timeout_s=SECONDS + 30)
        return Ended(result, result.talked_s, await the_record(caller, result))


async def vanished(stack: Stack) -> Ended:
    caller = await signed_in(stack)
    token = await ask(caller)
    async with vanishing(token) as gone:
        truth_s = await gone.vanish_at(6.5)
    result = await settled(caller, token, within_s=REJOIN_LIMIT_S + UNSEEN_S + 15)
    return Ended(result, truth_s, await the_record(caller, result))


async def came_back(stack: Stack) -> Ended:
    caller = await signed_in(stack)
    token = await ask(caller)
    async with vanishing(token) as gone:
        truth_s = await gone.vanish_at(5.5)
    await asyncio.sleep(3)  # away: nothing to poll for, nobody may notice
    async with joined(token.url, token.access_token) as again:
        await again.open_microphone()
        back_at_s = time.monotonic()
        await again.until(lambda: again.agent is not None, "the agent, still in the room")
        await again.hear("loud and clear", to="can you hear me")
        await again.until(lambda: time.monotonic() - back_at_s >= 5, "five seconds more")
    truth_s += time.monotonic() - back_at_s
    result = await settled(caller, token)
    return Ended(result, truth_s, await the_record(caller, result))


async def the_record(caller: Any, result: CallResult) -> dict[str, Any]:
    assert result.call_id
    record: dict[str, Any] = (await caller.api.call(result.call_id)).body
    await caller.close()
    return record


def kinds(result: CallResult) -> list[str]:
    return [notice.kind for notice in result.notices]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(rough_stack: Stack) -> AsyncIterator[dict[Scenario, asyncio.Task[Ended]]]:
    scenarios: tuple[Scenario, ...] = (exact_balance, topped_up, vanished, came_back)
    tasks = {scenario: asyncio.create_task(scenario(rough_stack)) for scenario in scenarios}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


Calls = dict[Scenario, asyncio.Task[Ended]]


async def test_a_balance_for_25_seconds_ends_the_call_at_second_25(
    calls: Calls, rough_stack: Stack
) -> None:
    ended = await calls[exact_balance]
    result = ended.result
    check = await billed_between(rough_stack, result, at_least_s=SECONDS, at_most_s=SECONDS)
    print(f"credit for {SECONDS} s: truth {ended.truth_s:.2f} s, billed {check.seconds} s")
    assert (result.ended_by, result.end_reason) == ("agent", "credit_exhausted")
    assert SECONDS - 0.5 <= ended.truth_s <= SECONDS + FAREWELL_S
    assert check.cost == COST
    assert check.balance == CREDITS * 1_000_000 - COST
    assert 0 <= check.balance < PRICE_OF_A_SECOND
    assert ended.record["endWords"] == "Your credit is used up."


async def test_the_end_of_the_credit_is_announced_and_goodbye_is_heard(calls: Calls) -> None:
    ended = await calls[exact_balance]
    result = ended.result
    assert kinds(result) == ["low_balance", "low_balance", "goodbye", "ended"]
    first, last, goodbye, _ = result.notices
    assert first.seconds_left in (SECONDS, SECONDS - 1)
    assert last.seconds_left in (20, 19)
    assert last.message == f"You have {last.seconds_left} seconds left."
    assert goodbye.message == "Our time is up. Goodbye!"
    toasts = [rpc.payload for rpc in result.rpcs if rpc.method == "pg.toast"]
    assert [toast["variant"] for toast in toasts] == ["warning", "warning"]
    errors = [rpc.payload["error"] for rpc in result.rpcs if rpc.method == "pg.error"]
    assert errors == ["insufficient_credits"]
    spoken = [caption.text for caption in result.captions if caption.speaker == "agent"]
    assert spoken[-1] == "Our time is up. Goodbye!"
    assert any(text.startswith("You have") for text in spoken), "a warning nobody heard"
    assert SECONDS - 6 <= ended.goodbye_heard_at_s <= SECONDS + 1


async def test_credit_that_comes_in_mid_call_extends_it_and_takes_the_warning_back(
    calls: Calls, rough_stack: Stack
) -> None:
    ended = await calls[topped_up]
    check = await settled_exactly(rough_stack, ended.result)
    print(f"topped up: truth {ended.truth_s:.2f} s, billed {check.seconds} s")
    assert check.seconds > SECONDS
    assert ended.result.end_reason == "caller_hangup"
    assert kinds(ended.result) == ["low_balance", "low_balance", "credit_added"]
    words = ended.result.notices[-1].message
    assert words == "Thank you, your credit was added. We can go on."
    toasts = [rpc.payload for rpc in ended.result.rpcs if rpc.method == "pg.toast"]
    assert toasts[-1] == {"title": words, "variant": "success"}
    assert ended.result.meters[-1].granted_seconds > SECONDS
    assert check.balance == (CREDITS + TOP_UP) * 1_000_000 - check.cost


async def test_a_caller_who_vanishes_is_not_billed_for_the_silence(
    calls: Calls, rough_stack: Stack
) -> None:
    ended = await calls[vanished]
    check = await billed_between(
        rough_stack, ended.result, at_least_s=ended.truth_s - 2, at_most_s=ended.truth_s
    )
    print(f"vanished: truth {ended.truth_s:.2f} s, billed {check.seconds} s")
    assert ended.result.end_reason == "caller_lost"
    assert ended.record["durationSeconds"] <= ended.truth_s + REJOIN_LIMIT_S + UNSEEN_S + 2


async def test_a_caller_who_comes_back_goes_on_with_the_same_bill(
    calls: Calls, rough_stack: Stack
) -> None:
    ended = await calls[came_back]
    check = await billed_between(
        rough_stack,
        ended.result,
        at_least_s=ended.truth_s - 3,
        at_most_s=ended.truth_s,
    )
    print(f"came back: truth {ended.truth_s:.2f} s, billed {check.seconds} s, {ended.record['gaps']}")
    assert ended.result.end_reason == "caller_hangup"
