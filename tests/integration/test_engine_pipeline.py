"""Recognition, chat and speech by REST fail, stall, break off and refuse; the caller talks on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from agent.engines.model_link import SLOW_S
from local.voice.persona import topic_of
from tests.integration.engine_call import EngineCall, pipeline_call
from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTS = ("stt", "chat", "tts")
QUOTA = {"status": 429, "code": "insufficient_quota"}
PATIENCE_S = 40.0  # a busy machine, and attempts a second apart
SAME_LENGTH = 0.05  # of the sound of one sentence, asked for twice


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


async def greeted(call: EngineCall) -> None:
    await call.until(lambda: call.said("assistant"))
    await call.quiet()


@pytest.mark.parametrize("part", PARTS)
async def test_a_model_that_fails_for_a_moment_loses_no_word(
    voice: VoiceProcess, part: str
) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(**{part: {"status": 503}, "times": 2})
        assert await call.ask("who are you") == answer_to("who are you")
        assert call.said("user") == ["who are you"]
        assert call.told == ["down", "up"]
        await call.quiet()
        assert len(call.said("assistant")) == 2, "the greeting and one answer"


@pytest.mark.parametrize("part", PARTS)
async def test_nobody_pays_while_a_model_thinks_for_too_long(
    voice: VoiceProcess, part: str
) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(**{part: {"delay_s": SLOW_S + 1}, "times": 1})
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert call.told == ["down", "up"]


@pytest.mark.parametrize("trouble", [{"status": 401}, QUOTA])
@pytest.mark.parametrize("part", PARTS)
async def test_a_model_that_refuses_for_good_gives_the_call_up(
    voice: VoiceProcess, part: str, trouble: dict[str, Any]
) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(**{part: trouble})
        call.microphone.say("who are you")
        await call.until(lambda: "failed" in call.told)


@pytest.mark.parametrize("part", ["chat", "tts"])
async def test_a_question_that_is_always_rejected_gives_the_call_up(
    voice: VoiceProcess, part: str
) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(**{part: {"status": 404}})
        call.microphone.say("who are you")
        await call.until(lambda: "failed" in call.told, timeout_s=PATIENCE_S)


async def test_a_sentence_that_broke_off_is_heard_to_its_end(voice: VoiceProcess) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await call.ask("can you hear me")
        await call.quiet()
        await voice.faults(tts={"truncate": True}, times=1)
        await call.ask("can you hear me")
        await call.quiet()
        whole_s, resumed_s = call.loudspeaker.segments_s[-2:]
        assert abs(whole_s - resumed_s) < SAME_LENGTH * whole_s
        assert call.told == ["down", "up"]


async def test_an_answer_that_broke_off_is_told_to_its_end(voice: VoiceProcess) -> None:
    async with pipeline_call(voice) as call:

        def story() -> str:
            return answer_to(call.said("user")[-1])  # the ear of the voice is right most times

        await greeted(call)
        await voice.faults(chat={"truncate": True}, times=1)
        call.microphone.say("tell me about yourself")
        await call.until(
            lambda: call.said("user") and story().endswith(call.said("assistant")[-1]),
            timeout_s=PATIENCE_S,
        )
        assert " ".join(call.said("assistant")[1:]) == story()
        assert len(call.said("assistant")) > 2, "it broke off"
        assert call.told[-1] == "up"


async def test_a_greeting_that_got_lost_is_said(voice: VoiceProcess) -> None:
    await voice.faults(chat={"status": 500}, times=1)
    async with pipeline_call(voice) as call:
        await greeted(call)
        assert call.said("assistant") == ["Hello, this is your demo voice."]


async def test_a_caller_who_waits_is_told(voice: VoiceProcess) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(chat={"status": 503})
        call.microphone.say("who are you")
        await call.until(lambda: "late" in call.told, timeout_s=PATIENCE_S)
        await voice.clear_faults()
        await call.until(
            lambda: answer_to("who are you") in call.said("assistant"), timeout_s=PATIENCE_S
        )
        assert call.told == ["down", "late", "up"]
        assert await call.ask("can you hear me") == answer_to("can you hear me")


async def test_a_caller_who_goes_on_meanwhile_is_answered_once(voice: VoiceProcess) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        await voice.faults(chat={"status": 503})
        call.microphone.say("tell me a joke")
        await call.until(lambda: "down" in call.told)
        await voice.clear_faults()
        call.microphone.say("can you hear me")
        await call.until(lambda: answer_to("can you hear me") in call.said("assistant"))
        assert call.told[-1] == "up"


async def test_a_voice_that_is_not_there_leaves_the_former_one(voice: VoiceProcess) -> None:
    async with pipeline_call(voice) as call:
        await greeted(call)
        assert call.engine.set_voice("Nobody")
        await voice.faults(tts={"status": 400}, times=1)
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert (await voice.get("/stats"))["last_voice"] == "Ara"
        await call.quiet()
        assert call.loudspeaker.segments_s[-1] > 1, "it was heard"
