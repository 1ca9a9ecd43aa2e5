"""A model of one kind takes over from a model of the other kind, in the middle of a call."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.voice.persona import topic_of
from tests.integration.engine_call import EngineCall, relayed_call
from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 40.0  # a busy machine
REALTIME, PIPELINE = "local-voice", "pipeline"
GONE = [
    (REALTIME, PIPELINE, {"error_code": "insufficient_quota"}),
    (REALTIME, PIPELINE, {"drop_after_s": 0, "refuse": True}),
    (PIPELINE, REALTIME, {"chat": {"status": 401}}),
    (PIPELINE, REALTIME, {"chat": {"status": 503}}),
    (PIPELINE, REALTIME, {"tts": {"status": 500}}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[VoiceProcess]:
    async with running_voice() as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def voice(server: VoiceProcess) -> AsyncIterator[VoiceProcess]:
    yield server
    await server.clear_faults()


def answer_to(phrase: str) -> str:
    topic = topic_of(phrase)
    assert topic
    return topic.answer


async def answered(call: EngineCall, phrase: str) -> None:
    await call.until(lambda: answer_to(phrase) in call.said("assistant"), timeout_s=PATIENCE_S)
    await call.quiet()


@pytest.mark.parametrize(("first", "second", "trouble"), GONE)
async def test_the_other_kind_takes_over_with_the_conversation(
    voice: VoiceProcess, first: str, second: str, trouble: dict[str, Any]
) -> None:
    async with relayed_call(voice, first, second) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        assert call.engine.provider == ("pipeline" if first == PIPELINE else "openai")
        await voice.faults(**trouble)
        if "drop_after_s" in trouble:  # noticed at once; words said just then are lost with it
            await call.until(lambda: call.told == ["down", "up"])
        call.microphone.say("who are you")
        await answered(call, "who are you")
        assert call.engine.provider == ("pipeline" if second == PIPELINE else "openai")
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert call.told == ["down", "up"]
        assert call.said("user") == ["who are you", "can you hear me"]


async def test_when_the_second_one_is_gone_too_the_call_is_given_up(voice: VoiceProcess) -> None:
    async with relayed_call(voice, PIPELINE, REALTIME) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        await voice.faults(chat={"status": 401}, refuse=True, error_code="insufficient_quota")
        call.microphone.say("who are you")
        await call.until(lambda: "failed" in call.told or "late" in call.told, timeout_s=PATIENCE_S)
