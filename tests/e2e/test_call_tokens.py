"""What a call token is good for: one voice in one room during one call, and nothing else."""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from livekit import api, rtc

from local.api_client import ApiRefused, CallToken
from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.customer import PROMPT, ask, settled, signed_in
from tests.e2e.handset import joined, media_api, minted_token
from tests.e2e.ledger import billed_between, leave_only
from tests.e2e.side_by_side import Running, side_by_side
from tests.e2e.unpaid import costs_nothing

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTS = 20
TALKED_S = 7.5


async def twenty_requests(stack: Stack) -> CallResult:
    """At once, by one account with credit for one minute; the token is not used."""
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, 1_000)
    answers = await asyncio.gather(*(ask(caller) for _ in range(REQUESTS)), return_exceptions=True)
    tokens = [answer for answer in answers if isinstance(answer, CallToken)]
    refusals = Counter(answer.status for answer in answers if isinstance(answer, ApiRefused))
    assert len(tokens) == 1
    assert refusals == {409: REQUESTS - 1}
    balance = await caller.api.balance()
    assert (balance.amount, balance.reserved, balance.available) == (1_000, 1_000, 0)
    result = await settled(caller, tokens[0])
    await costs_nothing(stack, caller, tokens[0].call_id)
    assert (await caller.api.balance()).available == 1_000
    await caller.close()
    return result


async def joined_twice(stack: Stack) -> tuple[CallResult, float]:
    """A caller who rewrites itself, comes a second time, and tries again after the end."""
    caller = await signed_in(stack)
    token = await ask(caller)
    async with joined(token.url, token.access_token) as first:
        await first.open_microphone()
        await first.heard_agent()
        began = first.first_heard_at_s
        assert began
        me = first.room.local_participant
        await me.set_metadata('{"user": "somebody else", "price": 0}')
        await me.set_attributes({"granted_seconds": "99999"})
        await assert_unchanged(stack, room_of(token))
        async with joined(token.url, token.access_token) as second:
            await second.open_microphone()
            await first.until(lambda: first.left_at_s is not None, "the first one to be put out")
            await second.until(lambda: time.monotonic() - began >= TALKED_S, "the last second")
        truth_s = time.monotonic() - began
    result = await settled(caller, token)
    await a_used_token_opens_nothing(stack, token)
    assert (await settled(caller, token)).billed_s == result.billed_s
    assert (await caller.api.request("GET", "/api/calls"))["totalCount"] == 1
    await caller.close()
    return result, truth_s


async def strangers(stack: Stack) -> CallResult:
    """Who has no token, or one that was not signed by us, for a room that is there."""
    caller = await signed_in(stack)
    token = await ask(caller)
    forged = minted_token(stack, room_of(token), "human", secret=secrets.token_urlsafe(32))
    for attempt in ("", "nonsense", forged):
        await is_refused(token.url, attempt)
    result = await settled(caller, token)
    await costs_nothing(stack, caller, token.call_id)
    await caller.close()
    return result


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(rough_stack: Stack) -> AsyncIterator[Running]:
    async with side_by_side(rough_stack, twenty_requests, joined_twice, strangers) as running:
        yield running


async def test_a_token_tells_nothing_and_gives_no_right_but_to_talk(
    calls: Running, rough_stack: Stack
) -> None:
    caller = await signed_in(rough_stack)
    token = await ask(caller)
    claims: dict[str, Any] = jwt.decode(
        token.access_token, rough_stack.env["LIVEKIT_API_SECRET"], algorithms=["HS256"]
    )
    assert claims.keys() == {"iss", "sub", "nbf", "exp", "video"}
    assert claims["sub"] == "human"
    assert claims["video"] == {
        "roomJoin": True,
        "room": f"ro-{token.call_id}",
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
        "canPublishSources": ["microphone"],
        "canUpdateOwnMetadata": False,
    }
    assert claims["exp"] - claims["nbf"] <= 120
    for secret in (PROMPT, caller.api.user_id, caller.email, "lighthouse"):
        assert secret not in json.dumps(claims)
    await assert_room_is_bare(rough_stack, token)
    await settled(caller, token)
    await caller.close()


async def test_credit_for_one_minute_gives_one_token_and_unused_it_costs_nothing(
    calls: Running,
) -> None:
    result = await calls[twenty_requests]
    assert result.end_reason == "caller_never_joined"


async def test_a_caller_who_rewrites_itself_and_joins_twice_gets_one_bill(
    calls: Running, rough_stack: Stack
) -> None:
    result, truth_s = await calls[joined_twice]
    print(f"joined twice: truth {truth_s:.2f} s, billed {result.billed_s} s")
    await billed_between(rough_stack, result, at_least_s=truth_s - 3, at_most_s=truth_s)
    assert result.end_reason == "caller_hangup"


async def test_a_stranger_gets_into_no_call(calls: Running) -> None:
    result = await calls[strangers]
    assert result.end_reason == "caller_never_joined"


def room_of(token: CallToken) -> str:
    return f"ro-{token.call_id}"


async def is_refused(url: str, token: str) -> None:
    with pytest.raises(rtc.ConnectError):
        async with joined(url, token):
            pass


async def assert_unchanged(stack: Stack, room: str) -> None:
    async with media_api(stack) as media:
        present = await media.room.list_participants(api.ListParticipantsRequest(room=room))
    human = [p for p in present.participants if p.identity == "human"]
    assert [(p.metadata, dict(p.attributes)) for p in human] == [("", {})]


async def assert_room_is_bare(stack: Stack, token: CallToken) -> None:
    """The room and the dispatch that wait for the caller tell no more than the token."""
    async with media_api(stack) as media:
        found = await media.room.list_rooms(api.ListRoomsRequest(names=[room_of(token)]))
        dispatches = await media.agent_dispatch.list_dispatch(room_of(token))
    assert [room.metadata for room in found.rooms] == [""]
    assert {dispatch.metadata for dispatch in dispatches} <= {token.call_id}


async def a_used_token_opens_nothing(stack: Stack, token: CallToken) -> None:
    """After the end of its call a token opens no room, and brings none to life."""
    await room_is_gone(stack, token)
    await is_refused(token.url, token.access_token)
    await room_is_gone(stack, token)


async def room_is_gone(stack: Stack, token: CallToken) -> None:
    deadline = time.monotonic() + 5
    async with media_api(stack) as media:
        while True:
            rooms = await media.room.list_rooms(api.ListRoomsRequest(names=[room_of(token)]))
            if not rooms.rooms:
                return
            assert time.monotonic() < deadline, "the room of an ended call is still there"
            await asyncio.sleep(0.1)
