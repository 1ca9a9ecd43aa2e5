"""The simulated caller over a real LiveKit server, against an answering machine."""

import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.call_plan import CallPlan, Line
from local.caller import SimulatedCaller
from local.failure import CannotRun
from local.microphone import RATE_HZ, recorded
from local.ports import free_ports
from local.stack import Stack
from tests.fakes.answering_machine import GREETING, AnsweringMachine
from tests.stack import clean_environment

# Far less than a ring of the machine, far more than a busy computer is late.
TOLERANCE_S = 0.7
PLAN = CallPlan(lines=(Line.of("hello there"),), seconds=7, answer_wait_s=5)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def livekit(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("livekit")
    async with Stack.start(
        data_dir=folder, environment=clean_environment(), only=("livekit",)
    ) as running:
        yield running


@pytest.fixture
def machine(livekit: Stack) -> AnsweringMachine:
    env = livekit.env
    return AnsweringMachine(env["LIVEKIT_URL"], env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"])


@pytest_asyncio.fixture
async def caller(machine: AnsweringMachine) -> AsyncIterator[SimulatedCaller]:
    async with machine.serving(free_ports().web) as url:
        caller = SimulatedCaller(url)
        yield caller
        await caller.close()


async def test_a_caller_hears_the_agent_and_keeps_its_own_stopwatch(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    result = await caller.place(PLAN)
    assert result.answered
    assert result.ended_by == "caller"
    assert machine.first_sound_at is not None
    assert machine.caller_left_at is not None
    assert result.talked_s == pytest.approx(
        machine.caller_left_at - machine.first_sound_at, abs=TOLERANCE_S
    )
    assert result.talked_s == pytest.approx(7, abs=TOLERANCE_S)
    assert [caption.text for caption in result.captions] == [GREETING]
    assert result.heard_agent_s == pytest.approx(2.0, abs=0.8)
    assert [meter.state for meter in result.meters] == ["running"]
    assert result.settled
    assert machine.caller_spoke


async def test_a_toast_is_shown_and_acknowledged(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    result = await caller.place(PLAN)
    assert [rpc.payload for rpc in result.rpcs] == [{"title": "Hi"}]
    assert [json.loads(answer) for answer in machine.toasts] == [{"shown": True}]


async def test_a_refusal_is_a_result_with_its_status(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    machine.refuse_with = 503
    result = await caller.place(PLAN)
    assert (result.ended_by, result.refused_status) == ("refused", 503)
    assert result.refused_words == "All agents are busy"
    assert not result.answered


async def test_a_caller_whom_nobody_answers_hangs_up(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    machine.silent = True
    machine.caller_left_at = 1.0  # the record is closed at once, there is nobody to leave
    result = await caller.place(CallPlan(lines=(), answer_wait_s=1))
    assert result.ended_by == "nobody_answered"
    assert result.first_audio_s is None
    assert result.talked_s == 0


async def test_the_stopwatch_stops_when_the_other_side_hangs_up(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    machine.hang_up_after_s = 1
    result = await caller.place(CallPlan(lines=(), seconds=60))
    assert result.ended_by == "agent"
    assert machine.first_sound_at is not None
    assert machine.caller_left_at is not None
    assert result.talked_s == pytest.approx(
        machine.caller_left_at - machine.first_sound_at, abs=TOLERANCE_S
    )


def test_a_stereo_recording_is_read_as_its_first_channel(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(b"\x01\x00\x02\x00" * 100)
    assert recorded(path) == b"\x01\x00" * 100


def test_a_file_that_is_no_recording_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("hello")
    with pytest.raises(CannotRun, match="cannot be read as a WAV file"):
        recorded(path)


async def test_a_recording_longer_than_the_call_is_cut_off(
    caller: SimulatedCaller, machine: AnsweringMachine
) -> None:
    plan = CallPlan(lines=(Line("a long speech", Line.of("tell me a story").pcm * 20),), seconds=4)
    result = await caller.place(plan)
    assert machine.caller_spoke
    assert result.talked_s == pytest.approx(4, abs=TOLERANCE_S)
