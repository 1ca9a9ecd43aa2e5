"""The local voice misbehaves exactly as it is told."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOST = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
SPEECH = {"model": "local-tts", "input": "One. Two.", "voice": "Ara", "response_format": "pcm"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[VoiceProcess]:
    async with running_voice() as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def voice(server: VoiceProcess) -> AsyncIterator[VoiceProcess]:
    yield server
    await server.clear_faults()


async def test_a_socket_is_dropped_some_seconds_after_it_connected(voice: VoiceProcess) -> None:
    await voice.faults(drop_after_s=0.3, times=1)
    opened_s = time.monotonic()
    wire = await voice.open()
    last = await wire.ended()
    assert time.monotonic() - opened_s >= 0.29
    assert last.type in LOST
    assert wire.socket.close_code in (None, 1006)  # no close frame, as from a dying server
    # and only this one
    again = await voice.open()
    await again.order("Back.")
    assert again.transcript() == "Back."


async def test_an_open_socket_can_be_dropped_at_once(voice: VoiceProcess) -> None:
    wire = await voice.open()
    dropped = (await voice.get("/stats"))["connections_dropped"]
    await voice.faults(drop_after_s=0, times=1)
    assert (await wire.ended()).type in LOST
    assert (await voice.get("/stats"))["connections_dropped"] == dropped + 1


@pytest.mark.parametrize("after", [{}, {"drop_after_s": 60}])
async def test_other_faults_spare_a_socket_from_those_before(
    voice: VoiceProcess, after: dict[str, Any]
) -> None:
    await voice.faults(drop_after_s=0.2)
    wire = await voice.open()
    await voice.faults(think_s=0.4, **after)
    await wire.order("Still here.")
    assert wire.transcript() == "Still here."


async def test_a_stalled_socket_opens_and_never_answers(voice: VoiceProcess) -> None:
    await voice.faults(stall=True)
    url = f"{voice.base_url}/realtime"
    async with voice.http.ws_connect(url) as socket:
        await socket.send_str('{"type": "response.create"}')
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.3)


async def test_an_open_socket_stalls_until_the_fault_is_cleared(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await voice.faults(stall=True)
    await wire.send("response.create")
    await voice.get("/healthz")
    await voice.clear_faults()
    await wire.order("Here again.")
    assert wire.transcript() == "Here again."


async def test_connections_are_refused_the_given_number_of_times(voice: VoiceProcess) -> None:
    await voice.faults(refuse=True, times=2)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await voice.open()
        assert refused.value.status == 503
    await voice.open()


async def test_the_next_response_is_an_error_with_the_code_asked_for(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await voice.faults(error_code="insufficient_quota", times=1)
    await wire.send("response.create", event_id="e1")
    error = (await wire.until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("insufficient_quota", "e1")
    await wire.order("Better.")


async def test_response_done_can_come_twice(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await voice.faults(double_done=True, times=1)
    first = await wire.order("Done.")
    second = await wire.until("response.done")
    assert first["response"] == second["response"]
    await wire.order("Once.")
    await wire.send("session.update", session={})
    await wire.until("session.updated")
    assert len(wire.of_type("response.done")) == 3


async def test_a_mute_response_has_words_and_no_audio(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await voice.faults(mute=True)
    done = await wire.order("Nobody hears this.")
    assert wire.transcript() == "Nobody hears this."
    assert wire.audio() == b""
    assert done["response"]["status"] == "completed"


async def test_thinking_takes_the_time_asked_for(voice: VoiceProcess) -> None:
    wire = await voice.open()
    await voice.faults(think_s=0.4)
    asked_s = time.monotonic()
    await wire.send("response.create")
    await wire.until("response.created")
    assert 0.4 <= time.monotonic() - asked_s < 2


async def test_faults_are_shown_and_bad_ones_refused(voice: VoiceProcess) -> None:
    await voice.faults(mute=True, think_s=0.1, times=3)
    assert await voice.get("/faults") == {
        "mute": True,
        "think_s": 0.1,
        "times": 3,
        "left": {"mute": 3, "think_s": 3},
    }
    url = voice.base_url.replace("/v1", "/faults")
    async with voice.http.post(url, json={"explode": True}) as response:
        assert response.status == 400
    assert (await voice.get("/faults"))["mute"] is True


async def speech(voice: VoiceProcess) -> tuple[int, dict[str, str], bytes]:
    async with voice.http.post(f"{voice.base_url}/audio/speech", json=SPEECH) as response:
        return response.status, dict(response.headers), await response.read()


async def test_speech_fails_with_a_status_and_then_recovers(voice: VoiceProcess) -> None:
    before = (await voice.get("/stats"))["speech_requests"]
    await voice.faults(tts={"status": 429, "retry_after": 1}, times=1)
    status, headers, _ = await speech(voice)
    assert (status, headers["Retry-After"]) == (429, "1")
    status, _, audio = await speech(voice)
    assert status == 200
    assert len(audio) > 24_000
    assert (await voice.get("/stats"))["speech_requests"] == before + 2


@pytest.mark.parametrize("response_format", ["pcm", "wav"])
async def test_speech_can_break_off_in_the_middle(
    voice: VoiceProcess, response_format: str
) -> None:
    await voice.faults(tts={"truncate": True})
    body: dict[str, Any] = {**SPEECH, "response_format": response_format}
    async with voice.http.post(f"{voice.base_url}/audio/speech", json=body) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_speech_can_be_garbage_silence_or_late(voice: VoiceProcess) -> None:
    _, _, good = await speech(voice)
    await voice.faults(tts={"garbage": True})
    _, _, garbage = await speech(voice)
    assert len(garbage) == len(good)
    assert garbage.count(0) < len(garbage) / 50
    await voice.faults(tts={"silence": True, "delay_s": 0.3})
    asked_s = time.monotonic()
    _, _, silent = await speech(voice)
    assert time.monotonic() - asked_s >= 0.3
    assert silent == bytes(len(good))
