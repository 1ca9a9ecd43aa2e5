"""What is told in one call is known in the next, until it is erased; and tools in a call."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from livekit import rtc

from local.api_client import CallToken
from local.caller import SimulatedCaller
from local.stack import Stack
from shared.call_protocol import TOPIC_NOTICE, Notice
from tests.e2e.customer import ask, settled
from tests.e2e.handset import Handset, joined
from tests.e2e.ledger import connect, violations
from tests.e2e.paying import paid
from tests.e2e.side_by_side import Running, side_by_side
from tests.stack import clean_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOLD = "my sister lives in london"
ASKED = "what do you remember about me"
KNOWN = "my sister lives in london."
NOTHING = "I remember nothing about you."
HELP = "https://example.com/help"
MADE_WITHIN_S = 60  # of the end of the call: 5 s for the last words, and what busy cores add
POLL_S = 0.2
CAP = 400  # credits, at 1,000 a minute
CAP_S = 24
CREDITS = 60_000  # signed up and bought


@asynccontextmanager
async def calling(caller: SimulatedCaller) -> AsyncIterator[tuple[Handset, CallToken]]:
    token = await ask(caller)
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        yield handset, token
    await settled(caller, token)


async def memories(caller: SimulatedCaller) -> list[str]:
    answer = await caller.api.request("GET", "/api/memories")
    return [memory["content"] for memory in answer["data"]]


async def until(found: Callable[[], Awaitable[Any]], what: str) -> Any:
    deadline = time.monotonic() + MADE_WITHIN_S
    while not (result := await found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(POLL_S)
    return result


async def known_until_erased(stack: Stack) -> dict[str, Any]:
    ann, bob = await paid(stack, CREDITS), await paid(stack, CREDITS)
    async with calling(ann) as (handset, _):
        await handset.hear("London is a fine city", to=TOLD)
    made = await until(lambda: memories(ann), "a memory")
    async with calling(ann) as (handset, _):
        await handset.hear(KNOWN, to=ASKED)
    async with calling(bob) as (handset, _):
        await handset.hear(NOTHING, to=ASKED)
    listed = (await ann.api.request("GET", "/api/calls"))["data"]
    erased = await ann.api.request("DELETE", "/api/memories")
    async with calling(ann) as (handset, _):
        await handset.hear(NOTHING, to=ASKED)
    seen = {"made": made, "erased": erased, "bobs": await memories(bob), "first": listed[-1]}
    await ann.close()
    await bob.close()
    return seen


async def with_tools(stack: Stack) -> dict[str, Any]:
    ann = await paid(stack, CREDITS)
    notices: list[Notice] = []
    async with calling(ann) as (handset, token):
        handset.room.on("data_received", lambda packet: note(packet, notices))
        await handset.hear("seconds left:", to="how much credit is left")
        await handset.hear("on your screen", to="send me the link")
        await handset.hear("London is a fine city", to=TOLD)
        await handset.hear("I will remember that.", to="please remember that")
        kept = await memories(ann)
        await handset.hear("It is forgotten.", to="forget about my sister")
        left = await memories(ann)
        await handset.hear("Take care, goodbye!", to="please hang up")
        await handset.until(lambda: handset.left_at_s is not None, "the agent to hang up")
    ended = await settled(ann, token)
    links = [notice for notice in notices if notice.kind == "link"]
    connection = await connect(stack)
    try:
        state = await until(
            lambda: connection.fetchval(
                "select state from after_calls where call_id = $1 and state <> 'open'",
                UUID(token.call_id),
            ),
            "the work after the call",
        )
    finally:
        await connection.close()
    seen = {
        "kept": kept,
        "left": left,
        "end_reason": ended.end_reason,
        "links": links,
        "state": state,
        "after": await memories(ann),
    }
    await ann.close()
    return seen


async def capped(stack: Stack) -> dict[str, Any]:
    """A cap for half a minute, and credit for an hour."""
    ann = await paid(stack, CREDITS)
    await ann.api.request("PATCH", "/api/limits", {"monthlyCap": CAP})
    notices: list[Notice] = []
    token = await ask(ann)
    async with joined(token.url, token.access_token) as handset:
        handset.room.on("data_received", lambda packet: note(packet, notices))
        await handset.open_microphone()
        await handset.heard_agent()
        await handset.until(
            lambda: handset.left_at_s is not None, "the end of the cap", timeout_s=CAP_S + 20
        )
        said = list(handset.agent_said)
    ended = await settled(ann, token)
    balance = await ann.api.balance()
    await ann.close()
    return {"ended": ended, "notices": notices, "said": said, "credits": balance.amount}


def note(packet: rtc.DataPacket, notices: list[Notice]) -> None:
    if packet.topic == TOPIC_NOTICE:
        notices.append(Notice.model_validate_json(packet.data))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    environment = {**clean_environment(), "CALL_LINKS": f"help={HELP}", "CALL_MIN_CREDITS": "10"}
    folder = tmp_path_factory.mktemp("memory")
    async with Stack.start(data_dir=folder, environment=environment, durable=False) as stack:
        async with side_by_side(stack, known_until_erased, with_tools, capped) as running:
            yield running
        assert await violations(stack) == []


async def test_what_is_told_in_one_call_is_known_in_the_next_until_it_is_erased(
    calls: Running,
) -> None:
    seen = await calls[known_until_erased]
    assert seen["made"] == [f"The caller said: {TOLD}"]
    assert seen["erased"] == {"success": True, "deleted": 1}
    assert seen["bobs"] == []
    assert seen["first"]["title"] == f"You said: {TOLD}"
    assert TOLD in seen["first"]["highlights"]


async def test_tools_tell_the_credit_send_a_link_remember_forget_and_hang_up(
    calls: Running,
) -> None:
    seen = await calls[with_tools]
    assert seen["kept"] == [TOLD]
    assert seen["left"] == []
    assert seen["end_reason"] == "agent_goodbye"
    assert [(link.message, link.url) for link in seen["links"]] == [("help", HELP)]
    assert seen["state"] == "done"
    assert seen["after"] == [], "forgotten in the call is forgotten after it"


async def test_a_monthly_cap_ends_a_call_as_kindly_as_an_empty_balance(calls: Running) -> None:
    seen = await calls[capped]
    assert seen["ended"].end_reason == "monthly_cap"
    assert seen["ended"].billed_s == CAP_S
    kinds = [notice.kind for notice in seen["notices"]]
    assert kinds == ["low_balance", "low_balance", "goodbye", "ended"]
    assert seen["notices"][-1].message == "You have reached the limit you set for this month."
    assert any("Goodbye!" in words for words in seen["said"])
    assert seen["credits"] == CREDITS - CAP
