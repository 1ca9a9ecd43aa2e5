"""The media server through our gateway: what is done, what is found, and what is not known."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from livekit import api, rtc

from control_plane.livekit_gateway import LiveKitGateway
from control_plane.rooms_port import Participant
from shared.call_protocol import Notice
from shared.errors import Unavailable
from shared.ids import new_call_id, room_name_of
from shared.settings import LiveKitSettings
from tests.cable import cable_to
from tests.web_process import Media, Web


def settings_of(media: Media) -> LiveKitSettings:
    return LiveKitSettings.model_validate(
        {
            "livekit_url": media.url,
            "livekit_api_key": media.key,
            "livekit_api_secret": media.secret,
            "livekit_public_url": None,
        }
    )


async def test_a_call_room_is_made_with_a_dispatch_that_tells_the_call_and_no_more(
    media: Media,
) -> None:
    call_id = new_call_id()
    gateway = LiveKitGateway(settings_of(media))
    try:
        await gateway.create_call_room(room_name_of(call_id), call_id)

        async with media.api() as livekit:
            dispatches = await livekit.agent_dispatch.list_dispatch(room_name_of(call_id))
            rooms = await livekit.room.list_rooms(
                api.ListRoomsRequest(names=[room_name_of(call_id)])
            )
        assert [(d.agent_name, d.metadata) for d in dispatches] == [("sexycall", str(call_id))]
        (room,) = rooms.rooms
        assert (room.metadata, room.empty_timeout, room.departure_timeout) == ("", 60, 20)
        assert room.max_participants == 4
        await gateway.dispatch_agent(room_name_of(call_id), call_id)
        assert room_name_of(call_id) in await gateway.room_names()
        await gateway.delete_room(room_name_of(call_id))
        assert room_name_of(call_id) not in await gateway.room_names()
    finally:
        await gateway.close()


async def test_a_room_that_is_not_there_is_empty_and_easily_deleted(media: Media) -> None:
    """LiveKit looks 3 s for a room it shall send data to: 500 dead calls would take 25 minutes."""
    gateway = LiveKitGateway(settings_of(media))
    began = time.monotonic()
    try:
        assert await gateway.participants("ro-nothing") == []
        await gateway.send_notice("ro-nothing", Notice(kind="agent_lost", message="Sorry."))
        await gateway.delete_room("ro-nothing")
        assert time.monotonic() - began < 2.5
    finally:
        await gateway.close()


async def test_a_media_server_that_does_not_answer_is_not_an_empty_room(no_media: Media) -> None:
    await _everything_is_unavailable(no_media)


async def test_a_media_server_that_hangs_is_given_up_after_three_seconds(media: Media) -> None:
    async with cable_to(int(media.url.rpartition(":")[2])) as cable:
        cable.frozen = True
        behind = Media(f"ws://127.0.0.1:{cable.port}", media.key, media.secret)
        gateway = LiveKitGateway(settings_of(behind))
        began = time.monotonic()
        try:
            with pytest.raises(Unavailable):
                await gateway.participants("ro-x")
        finally:
            cable.frozen = False
            await gateway.close()
        assert 2.5 < time.monotonic() - began < 6


async def test_a_wrong_key_is_not_an_empty_room(media: Media) -> None:
    await _everything_is_unavailable(
        Media(media.url, media.key, "a wrong secret, and long enough to sign")
    )


async def _everything_is_unavailable(media: Media) -> None:
    gateway = LiveKitGateway(settings_of(media))
    call_id = new_call_id()
    try:
        for request in (
            gateway.participants("ro-x"),
            gateway.room_names(),
            gateway.delete_room("ro-x"),
            gateway.create_call_room("ro-x", call_id),
            gateway.dispatch_agent("ro-x", call_id),
            gateway.send_notice("ro-x", Notice(kind="ended", message="Bye.")),
            gateway.ping(),
        ):
            with pytest.raises(Unavailable):
                await request
    finally:
        await gateway.close()


# --- what a caller can do with a token -------------------------------------------------------


async def test_a_caller_is_seen_hears_notices_and_cannot_rewrite_itself(
    web: Web, media: Media
) -> None:
    ticket = (await (await web.account()).ask_for_call()).json()
    name = room_name_of(ticket["callId"])
    gateway: LiveKitGateway = web.app.state.services.livekit
    room = rtc.Room()
    heard: list[rtc.DataPacket] = []
    room.on("data_received", heard.append)
    await room.connect(ticket["url"], ticket["accessToken"])
    try:
        local = room.local_participant
        assert await gateway.participants(name) == [Participant("human", local.sid, is_agent=False)]

        deadline = time.monotonic() + 10
        while not heard:  # what is sent before the caller's data channel is open is lost
            await gateway.send_notice(name, Notice(kind="agent_late", message="Calling again."))
            await asyncio.sleep(0.1)
            assert time.monotonic() < deadline
        assert heard[0].topic == "sexycall.notice"
        assert Notice.model_validate_json(heard[0].data).message == "Calling again."

        for rewrite in (local.set_metadata("{}"), local.set_name("x"), local.set_attributes({})):
            await _refused(rewrite)
        async with media.api() as livekit:
            found = await livekit.room.list_participants(api.ListParticipantsRequest(room=name))
        (seen,) = found.participants
        assert (seen.metadata, seen.name, dict(seen.attributes)) == ("", "", {})
    finally:
        await room.disconnect()


async def test_a_token_opens_one_room_once_and_nothing_after_the_end(
    web: Web, media: Media
) -> None:
    ticket = (await (await web.account()).ask_for_call()).json()
    name = room_name_of(ticket["callId"])
    first, second, late = rtc.Room(), rtc.Room(), rtc.Room()
    left: list[object] = []
    first.on("disconnected", left.append)
    await first.connect(ticket["url"], ticket["accessToken"])
    await second.connect(ticket["url"], ticket["accessToken"])  # as after a reload of the page

    await _until(lambda: bool(left))
    gateway: LiveKitGateway = web.app.state.services.livekit
    assert [p.identity for p in await gateway.participants(name)] == ["human"]

    await gateway.delete_room(name)
    with pytest.raises(rtc.ConnectError):
        await late.connect(ticket["url"], ticket["accessToken"])
    assert name not in await media.rooms()
    for room in (first, second):
        await room.disconnect()


async def _refused(rewrite: Awaitable[None]) -> None:
    """The server says no, in one way or another; nobody may take it for a yes."""
    with suppress(Exception):
        await rewrite


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
