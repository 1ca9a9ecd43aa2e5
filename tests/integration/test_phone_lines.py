"""Telephone lines that nobody answers are ended; those with an agent or a call are not."""

from collections.abc import AsyncIterator

import pytest_asyncio

from control_plane.livekit_inbox import SOURCE, LiveKitInbox
from control_plane.phone.lonely import LonelyLines
from control_plane.reaper import Reaper
from control_plane.rooms_port import Participant
from control_plane.store import inbox
from shared.db import transaction
from tests.fakes.rooms import ScriptedRooms
from tests.integration.phone_rig import verified
from tests.web_process import Media, Web, running_web, web_settings

NOWHERE = Media("ws://127.0.0.1:9", "key", "a secret of thirty-two characters")
CALLER = Participant("sip_+4915112345678", "PA_1", is_agent=False, is_phone=True)
AGENT = Participant("agent-1", "PA_2", is_agent=True)


@pytest_asyncio.fixture
async def web(db_dsn: str) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, NOWHERE)) as running:
        yield running


async def test_a_line_without_an_agent_ends_at_the_second_look(web: Web) -> None:
    phone = await verified(await web.account())
    verdict = await phone.enters("274915")
    placed = await phone.asks_for_call(verdict["entry_id"], room_name="phone_1_call")
    assert placed["outcome"] == "call"
    rooms = ScriptedRooms(
        {
            "phone_1_alone": [CALLER],
            "phone_1_desk": [CALLER, AGENT],
            "phone_1_call": [CALLER],
            "ro-00000000-0000-7000-8000-000000000001": [],
        }
    )
    lines = LonelyLines(web.app.state.services.pool, rooms)
    assert await lines.round() == 0
    rooms.present["phone_1_late"] = [CALLER]
    assert await lines.round() == 1
    assert rooms.deleted == ["phone_1_alone"]
    rooms.present["phone_1_late"].append(AGENT)
    assert await lines.round() == 0
    await web.db.execute("update call_sessions set state = 'expired', ended_at = clock_timestamp()")
    await lines.round()
    assert await lines.round() == 1
    assert rooms.deleted == ["phone_1_alone", "phone_1_call"]


async def test_the_news_that_a_line_has_ended_is_taken_up_as_that_of_a_room_of_the_page(
    web: Web,
) -> None:
    phone = await verified(await web.account())
    verdict = await phone.enters("274915")
    room = "phone_1_lost"
    placed = await phone.asks_for_call(verdict["entry_id"], room_name=room)
    start = {"worker_id": "w1", "job_id": "j1"}
    assert (await web.internal(f"/calls/{placed['call_id']}/start", start)).status_code == 200
    await web.db.execute(
        "update call_sessions set last_seen_at = clock_timestamp() - interval '25 s'"
    )
    await web.db.execute(
        "update listeners set listening_since = clock_timestamp() - interval '60 s'"
    )
    pool, rooms = web.app.state.services.pool, ScriptedRooms({})
    told = {"room": {"name": room}}
    async with transaction(pool) as tx:
        await inbox.put(tx, source=SOURCE, event_id="EV_1", kind="room_finished", payload=told)
    assert await LiveKitInbox(pool, Reaper(pool, rooms, 60)).round() == 1
    [row] = await web.db.fetch("select state, end_reason from call_sessions")
    assert tuple(row) == ("expired", "agent_lost")
