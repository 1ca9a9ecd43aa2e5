"""What a call token is good for: one voice in one room during one call, and nothing else."""

import asyncio
import json
import secrets
import time
from collections import Counter
from typing import Any

import jwt
import pytest
from livekit import api, rtc

from local.api_client import ApiRefused, CallToken
from local.stack import Stack
from tests.e2e.customer import PROMPT, ask, settled, signed_in

from tests.e2e.handset import joined, media_api, minted_token
from tests.e2e.ledger import billed_between, leave_only
from tests.e2e.unpaid import costs_nothing

REQUESTS = 20


async def test_credit_for_one_minute_gives_one_token_however_often_it_is_asked(
    rough: Stack,
) -> None:
    caller = await signed_in(rough)
    await leave_only(rough, caller.api.user_id, 1_000)
    answers = await asyncio.gather(*(ask(caller) for _ in range(REQUESTS)), return_exceptions=True)
    tokens = [answer for answer in answers if isinstance(answer, CallToken)]
    refusals = Counter(answer.status for answer in answers if isinstance(answer, ApiRefused))
    assert len(tokens) == 1
    assert refusals == {409: REQUESTS - 1}
    balance = await caller.api.balance()
    assert (balance.amount, balance.reserved, balance.available) == (1_000, 1_000, 0)
    # Nobody uses it: it expires, and the hold returns.
    result = await settled(caller, tokens[0])
    assert result.end_reason == "caller_never_joined"
    await costs_nothing(rough, caller, tokens[0].call_id)
    await caller.close()


async def test_a_token_tells_nothing_and_gives_no_right_but_to_talk(rough: Stack) -> None:
    caller = await signed_in(rough)
    token = await ask(caller)
    claims: dict[str, Any] = jwt.decode(
        token.access_token, rough.env["LIVEKIT_API_SECRET"], algorithms=["HS256"]
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
    assert claims["exp"] - time.time() <= 120
    for secret in (PROMPT, caller.api.user_id, caller.email, "lighthouse"):
        assert secret not in json.dumps(claims)
    # The room and the dispatch that wait for this caller tell no more.
    async with media_api(rough) as media:
        rooms = await media.room.list_rooms(api.ListRoomsRequest(names=[claims["video"]["room"]]))
        assert [room.metadata for room in rooms.rooms] == [""]
        for dispatch in await media.agent_dispatch.list_dispatch(claims["video"]["room"]):
            assert dispatch.metadata == token.call_id
    await caller.close()


async def test_a_caller_who_rewrites_itself_and_joins_twice_gets_one_bill(rough: Stack) -> None:
    caller = await signed_in(rough)
    token = await ask(caller)
    async with joined(token.url, token.access_token) as first:
        await first.open_microphone()
        await first.heard_agent()
        began = first.first_heard_at_s
        assert began
        me = first.room.local_participant
        await me.set_metadata('{"user": "somebody else", "price": 0}')
        await me.set_attributes({"granted_seconds": "99999"})
        async with joined(token.url, token.access_token) as second:
            await second.open_microphone()
            await first.until(lambda: first.left_at_s is not None, "the first one to be put out")
            await second.hear("loud and clear", to="can you hear me")
            await assert_unchanged(rough, room_of(token))
            await second.until(lambda: time.monotonic() - began >= 8, "eight seconds")
        truth_s = time.monotonic() - began
    result = await settled(caller, token)
    check = await billed_between(rough, result, at_least_s=truth_s - 3, at_most_s=truth_s)
    print(f"joined twice: truth {truth_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"
    assert (await caller.api.request("GET", "/api/calls"))["totalCount"] == 1
    await a_used_token_opens_nothing(rough, token)
    assert (await settled(caller, token)).billed_s == check.seconds
    await caller.close()


def room_of(token: CallToken) -> str:
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    room: str = claims["video"]["room"]
    return room


async def assert_unchanged(stack: Stack, room: str) -> None:
    async with media_api(stack) as media:
        present = await media.room.list_participants(api.ListParticipantsRequest(room=room))
    human = [p for p in present.participants if p.identity == "human"]
    assert [(p.metadata, dict(p.attributes)) for p in human] == [("", {})]


async def a_used_token_opens_nothing(stack: Stack, token: CallToken) -> None:
    """After the end of its call a token opens no room, and brings none to life."""
    room = room_of(token)
    for attempt in (token.access_token, minted_token(stack, room, "human", secret="x" * 43)):
        with pytest.raises(rtc.ConnectError):
            async with joined(token.url, attempt):
                pass
    async with media_api(stack) as media:
        rooms = await media.room.list_rooms(api.ListRoomsRequest())
    assert room not in {found.name for found in rooms.rooms}


async def test_a_stranger_gets_into_no_call(rough: Stack) -> None:
    caller = await signed_in(rough)
    token = await ask(caller)
    room = room_of(token)
    forged = minted_token(rough, room, "human", secret=secrets.token_urlsafe(32))
    for attempt in ("", "nonsense", forged):
        with pytest.raises(rtc.ConnectError):
            async with joined(token.url, attempt):
                pass
    await settled(caller, token)
    await costs_nothing(rough, caller, token.call_id)
    await caller.close()
