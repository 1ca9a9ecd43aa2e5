"""Calls of a real worker over a real livekit-server, measured with the caller's own stopwatch."""

import asyncio
import audioop
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from livekit import api, rtc

from tests.integration.agent_rig import (
    LOUD,
    RATE_HZ,
    Caller,
    Rig,
    Worker,
    config,
    running_rig,
    spoken_48k,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _module_fixture(function: Any) -> Any:
    return pytest_asyncio.fixture(scope="module", loop_scope="session")(function)


@_module_fixture
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@_module_fixture
async def worker(rig: Rig) -> AsyncIterator[Worker]:
    async with rig.worker() as worker:
        yield worker


def assert_billed_as_talked(seconds: int, caller: Caller) -> None:
    """Never more than the seconds the caller began, and never a whole second less."""
    assert seconds <= math.ceil(caller.talked_s)
    assert seconds >= caller.talked_s - 1


@pytest.mark.usefixtures("worker")
async def test_a_call_is_greeted_metered_to_the_second_and_closed_once(rig: Rig) -> None:
    call = rig.plane.add(config())
    caller = await rig.ring(call)
    await asyncio.sleep(4.4)
    await caller.leave()
    await until(lambda: call.closed)
    assert (call.end_reason, len(call.closes), call.closes[0].source) == (
        "caller_hangup",
        1,
        "agent",
    )
    assert_billed_as_talked(call.seconds, caller)
    assert call.settles[0] == 0
    await until(lambda: call.transcript)
    assert "this is Ara speaking" in call.transcript[0].text
    assert any("this is Ara speaking" in words for _, words in caller.captions)


@pytest.mark.usefixtures("worker")
async def test_exactly_the_credit_of_a_call_is_used_with_warning_and_goodbye(rig: Rig) -> None:
    call = rig.plane.add(config(), credit_seconds=27)
    caller = await rig.ring(call)
    await until(lambda: call.closed, deadline_s=45)
    ended_s = time.monotonic()
    await until(lambda: "pg.error" in dict(caller.rpcs) and "ended" in caller.notice_kinds)
    await caller.leave()
    assert (call.seconds, call.end_reason) == (27, "credit_exhausted")
    assert abs(ended_s - caller.first_heard_s - 27) < 1.0
    assert caller.notice_kinds == ["low_balance", "low_balance", "goodbye", "ended"]
    assert [n.seconds_left for n in caller.notices[:2]] == [26, 20]
    assert caller.rpcs[-1] == (
        "pg.error",
        {"error": "insufficient_credits", "message": "The credit for this call is used up."},
    )
    said = [item.text for item in call.transcript.values() if item.role == "assistant"]
    assert any("You have 20 seconds left" in text for text in said)
    assert "Goodbye" in said[-1]
    assert not call.transcript[max(call.transcript)].interrupted
    assert caller.last_heard_s <= caller.first_heard_s + 27  # the farewell ended inside the grant


@pytest.mark.usefixtures("worker")
async def test_a_top_up_withdraws_the_warning_and_the_call_goes_on(rig: Rig) -> None:
    call = rig.plane.add(config(), credit_seconds=30)
    caller = await rig.ring(call)
    await until(lambda: "low_balance" in caller.notice_kinds)
    call.credit_seconds = 1000
    topped_up_s = time.monotonic()
    await until(lambda: "credit_added" in caller.notice_kinds)
    assert time.monotonic() - topped_up_s < 3.0
    await until(lambda: caller.meters[-1].granted_seconds > 30 and not caller.meters[-1].final_unit)
    await caller.leave()
    await until(lambda: call.closed)
    assert_billed_as_talked(call.seconds, caller)


@pytest.mark.usefixtures("worker")
async def test_a_caller_who_never_joins_pays_nothing(rig: Rig) -> None:
    call = rig.plane.add(config(join_limit_s=2))
    await rig.dispatch(call)
    await until(lambda: call.closed)
    assert (call.seconds, call.end_reason, call.settles) == (0, "caller_never_joined", [])


@pytest.mark.usefixtures("worker")
async def test_a_refused_start_leaves_no_agent_in_the_room(rig: Rig) -> None:
    call = rig.plane.add(config())
    call.end_reason = "superseded"
    asked = len(rig.plane.requests)
    await rig.dispatch(call)
    await until(lambda: len(rig.plane.requests) > asked)
    caller = Caller()
    await caller.join(rig.url, rig.token(call))
    await until(lambda: not caller.room.remote_participants)
    await caller.leave()
    assert call.closes == []


@pytest.mark.usefixtures("worker")
async def test_a_silent_line_is_hung_up(rig: Rig) -> None:
    call = rig.plane.add(config(silence_limit_s=3))
    caller = await rig.ring(call)
    await until(lambda: call.closed)
    await caller.leave()
    assert call.end_reason == "caller_silent"


@pytest.mark.usefixtures("worker")
async def test_a_caller_removed_by_the_operator_pays_until_then(rig: Rig) -> None:
    call = rig.plane.add(config())
    caller = await rig.ring(call)
    await asyncio.sleep(2.2)
    async with rig.api() as livekit:
        await livekit.room.remove_participant(
            api.RoomParticipantIdentity(room=call.config.room_name, identity="human")
        )
    await until(lambda: call.closed)
    await caller.leave()
    assert call.end_reason == "operator_ended"
    assert_billed_as_talked(call.seconds, caller)


@pytest.mark.usefixtures("worker")
async def test_a_deleted_room_ends_the_call(rig: Rig) -> None:
    call = rig.plane.add(config())
    caller = await rig.ring(call)
    async with rig.api() as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=call.config.room_name))
    await until(lambda: call.closed)
    await caller.leave()
    assert call.end_reason in {"operator_ended", "media_lost"}
    assert_billed_as_talked(call.seconds, caller)


@pytest.mark.usefixtures("worker")
async def test_a_caller_who_vanishes_and_comes_back_pays_no_gap(rig: Rig) -> None:
    call = rig.plane.add(config(rejoin_limit_s=30))
    async with rig.ring_from_process(call) as process:
        await asyncio.sleep(3.3)
        process.kill()
        vanished_s = time.monotonic()
    first_s = vanished_s - process.heard_s
    await asyncio.sleep(4)
    assert math.ceil(first_s) - 1 <= rig.seconds_now(call) <= math.ceil(first_s)
    back = Caller()
    await back.join(rig.url, rig.token(call))
    await until(lambda: back.meters and back.meters[-1].state == "running")
    running_s = time.monotonic()
    await asyncio.sleep(3.0)
    await back.leave()
    await until(lambda: call.closed)
    talked_s = first_s + back.left_s - running_s
    assert talked_s - 1 <= call.seconds <= math.ceil(talked_s)
    assert call.end_reason == "caller_hangup"
    await until(lambda: call.gaps)
    # The media stopped first, then LiveKit said that the caller was away: one gap or two.
    assert {gap.cause for gap in call.gaps.values()} <= {"caller_away", "media_lost"}
    assert call.gaps[0].at_s in {math.floor(first_s), math.ceil(first_s)}
    away_s = running_s - vanished_s
    await until(lambda: abs(sum(gap.lasted_s for gap in call.gaps.values()) - away_s) < 1.5)


@pytest.mark.usefixtures("worker")
async def test_a_caller_who_vanishes_for_good_pays_for_what_was_heard(rig: Rig) -> None:
    call = rig.plane.add(config(rejoin_limit_s=4))
    async with rig.ring_from_process(call) as process:
        await asyncio.sleep(3.6)
        process.kill()
        talked_s = time.monotonic() - process.heard_s
    await until(lambda: call.closed)
    assert call.end_reason in {"caller_lost", "media_lost"}
    assert talked_s - 1 <= call.seconds <= math.ceil(talked_s)


@dataclass
class Miser(Caller):
    """Sends nothing while it listens, and is not muted: a changed client can do that."""

    queue_ms: int = 0  # the SDK fills a queue with silence, and that is packets
    sends: bool = True
    heard_ms: int = 0

    async def _speak(self, source: rtc.AudioSource) -> None:
        samples = RATE_HZ // 100
        while True:
            if self.sends:
                frame = rtc.AudioFrame(bytes(2 * samples), RATE_HZ, 1, samples)
                await source.capture_frame(frame)
            await asyncio.sleep(0.01)

    async def _hear(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
            if audioop.max(bytes(event.frame.data), 2) > LOUD:
                self.first_heard_s = self.first_heard_s or time.monotonic()
                self.heard_ms += 10


@pytest.mark.usefixtures("worker")
async def test_who_sends_nothing_hears_nothing_for_it(rig: Rig) -> None:
    """17 s of a story were once heard for the price of one."""
    story = " ".join(f"This is sentence {number} about a lighthouse." for number in range(20))
    call = rig.plane.add(config(greeting=f'Say: "{story}"'))
    await rig.dispatch(call)
    caller = Miser()
    await caller.join(rig.url, rig.token(call))
    await until(lambda: caller.first_heard_s)
    caller.sends = False
    await until(lambda: caller.meters[-1].state == "paused")
    heard_ms = caller.heard_ms
    await asyncio.sleep(4)
    assert caller.heard_ms - heard_ms < 500
    caller.sends = True
    await until(lambda: caller.heard_ms - heard_ms > 2_000)
    await caller.leave()
    await until(lambda: call.closed)
    assert call.end_reason == "caller_hangup"


@pytest.mark.usefixtures("worker")
async def test_a_muted_caller_is_still_a_caller(rig: Rig) -> None:
    call = rig.plane.add(config())
    caller = await rig.ring(call)
    assert caller.microphone
    caller.microphone.mute()
    await asyncio.sleep(4.5)
    await caller.leave()
    await until(lambda: call.closed)
    assert_billed_as_talked(call.seconds, caller)
    assert "paused" not in {meter.state for meter in caller.meters}


@pytest.mark.usefixtures("worker")
async def test_a_muted_caller_who_vanishes_pays_nothing_after_that(rig: Rig) -> None:
    call = rig.plane.add(config(rejoin_limit_s=4))
    async with rig.ring_from_process(call, "muted") as process:
        await asyncio.sleep(3.6)
        process.kill()
        talked_s = time.monotonic() - process.heard_s
    await until(lambda: call.closed)
    assert talked_s - 1 <= call.seconds <= math.ceil(talked_s)


@pytest.mark.usefixtures("worker")
async def test_what_the_caller_interrupts_is_cut_where_it_was_cut(rig: Rig) -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    call = rig.plane.add(config(greeting=f'Say: "{words} {words} {words}"'))
    caller = await rig.ring(call)
    await asyncio.sleep(2.0)
    caller.say(spoken_48k("Please stop now, I want to say something."))
    await until(lambda: caller.saying == b"")
    await asyncio.sleep(3.0)
    await caller.leave()
    await until(lambda: call.closed and 0 in call.transcript)
    cut = call.transcript[0]
    assert cut.interrupted
    assert words.startswith(cut.text[: len(words)])
    assert 10 < len(cut.text) < 2 * len(words)


async def test_only_the_caller_may_change_the_configuration(rig: Rig, worker: Worker) -> None:
    assert worker.worker_id
    call, locked = rig.plane.add(config()), rig.plane.add(config(instructions_locked=True))
    caller = await rig.ring(call)
    intruder = rtc.Room()
    await intruder.connect(rig.url, rig.token(call, "somebody"))
    agent = next(iter(caller.room.remote_participants.values()))
    change = (
        '{"instructions": "You are Rex.", "max_output_tokens": "", "model": "x",'
        ' "temperature": 0.8, "voice": "rex"}'
    )

    async def update(room: rtc.Room, payload: str, identity: str = agent.identity) -> str:
        return await room.local_participant.perform_rpc(
            destination_identity=identity, method="pg.updateConfig", payload=payload
        )

    assert await update(intruder, change) == '{"changed": false}'
    with pytest.raises(rtc.RpcError):
        await update(caller.room, '{"instructions": 7}')
    with pytest.raises(rtc.RpcError):
        await update(caller.room, '{"instructions": "' + "x" * 20_001 + '"}')
    assert await update(caller.room, change) == '{"changed": true}'
    assert await update(caller.room, change) == '{"changed": false}'
    await intruder.disconnect()
    await caller.leave()
    caller = await rig.ring(locked)
    agent = next(iter(caller.room.remote_participants.values()))
    words_alone = '{"instructions": "You are Rex."}'
    assert await update(caller.room, words_alone, agent.identity) == '{"changed": false}'
    await caller.leave()
    await until(lambda: call.closed and locked.closed)


@pytest.mark.usefixtures("worker")
async def test_the_longest_sentence_before_a_call_is_read_to_its_end(rig: Rig) -> None:
    """It may take 20 s, which was also how long a greeting was waited for, with it or without."""
    words = "You talk to an AI, a computer program, and to no human being whatsoever. " * 5
    call = rig.plane.add(config(disclosure=words[:300].strip()))
    caller = await rig.ring(call)
    await until(lambda: call.settles or call.closed, deadline_s=45)
    assert not call.closed
    await caller.leave()
    await until(lambda: call.closed)
    assert call.end_reason == "caller_hangup"
