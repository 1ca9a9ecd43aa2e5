"""A realtime provider drops, stalls, refuses and ends its sessions; the caller talks on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agent.absence import absence_in
from local.voice.persona import topic_of
from tests.integration.engine_call import EngineCall, endpoint, realtime_call
from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "Hello, this is your demo voice."


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


async def test_an_answer_that_broke_off_is_told_to_its_end(voice: VoiceProcess) -> None:
    story = answer_to("tell me about yourself")
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await call.ask("can you hear me")
        await call.quiet()
        call.microphone.say("tell me about yourself")
        await call.until(lambda: "handful" in call.page.text)
        await voice.faults(drop_after_s=0, times=1)
        await call.until(lambda: story.endswith(call.said("assistant")[-1]))
        assert " ".join(call.said("assistant")[2:]) == story
        assert len(call.said("assistant")) > 3, "it broke off"
        assert call.said("user")[1:] == ["tell me about yourself"]
        assert call.told == ["down", "up"]


async def test_a_question_asked_while_the_line_breaks_is_answered(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        call.microphone.say("how does the billing work")
        await call.until(lambda: call.conversation.session.user_state == "speaking")
        await voice.faults(drop_after_s=0, times=1)
        await call.until(lambda: answer_to("how does the billing work") in call.said("assistant"))
        assert call.said("user") == ["how does the billing work"]


async def test_a_question_that_waits_for_its_answer_is_answered_once(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await voice.faults(think_s=5, times=1)
        call.microphone.say("tell me a joke")
        await call.until(lambda: call.said("user"))
        await voice.faults(drop_after_s=0, times=1)
        await call.until(lambda: answer_to("tell me a joke") in call.said("assistant"))
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert call.said("assistant").count(answer_to("tell me a joke")) == 1


async def test_a_greeting_that_got_lost_is_said(voice: VoiceProcess) -> None:
    await voice.faults(drop_after_s=0, times=1)
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        assert call.said("assistant")[-1] == HELLO


async def test_a_session_is_renewed_in_a_pause_and_nobody_notices(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url, renew_after_s=0.5)) as call:
        await greeted(call)
        assert await call.ask("who are you") == answer_to("who are you")
        await call.quiet()
        before = call.engine_connections
        await call.until(lambda: call.engine_connections > before)
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert call.told == []
        assert (await voice.get("/stats"))["items_created"] >= 3, "the new session knows the old"


async def test_a_session_that_reached_its_longest_time_is_followed_by_another(
    voice: VoiceProcess,
) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await voice.faults(session_limit_s=0, times=1)
        await call.until(lambda: call.told == ["down", "up"])
        assert await call.ask("can you hear me") == answer_to("can you hear me")


async def test_a_provider_that_is_silent_is_left_and_the_caller_is_told(
    voice: VoiceProcess,
) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await voice.faults(stall=True, times=1)
        call.microphone.say("can you hear me")
        await call.until(lambda: "down" in call.told, timeout_s=15)
        await call.until(lambda: answer_to("can you hear me") in call.said("assistant"))
        assert call.told[-1] == "up"


async def test_after_a_long_absence_the_voice_says_so_first(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url), language="de") as call:
        await greeted(call)
        await voice.faults(drop_after_s=0, refuse=True)
        await call.until(lambda: "late" in call.told)
        await voice.clear_faults()
        await call.until(lambda: absence_in("de").back in call.said("assistant"))
        assert await call.ask("can you hear me") == answer_to("can you hear me")
        assert call.told == ["down", "late", "up"]


@pytest.mark.parametrize("trouble", [{"refuse": True}, {"error_code": "insufficient_quota"}])
async def test_a_second_provider_takes_over_with_the_conversation(
    voice: VoiceProcess, trouble: dict[str, object]
) -> None:
    async with running_voice() as second:
        both = (endpoint(voice.base_url), endpoint(second.base_url, model="two", provider="two"))
        async with realtime_call(*both) as call:
            await greeted(call)
            await voice.faults(drop_after_s=0, **trouble)
            assert await call.ask("who are you") == answer_to("who are you")
            assert call.engine.provider == "two"
            stats = await second.get("/stats")
            assert stats["responses"] >= 1
            assert stats["items_created"] >= 1, "it was told what had been said"


async def test_without_a_second_one_the_call_is_given_up(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await voice.faults(error_code="insufficient_quota")
        call.microphone.say("who are you")
        await call.until(lambda: "failed" in call.told)


async def test_a_voice_that_is_fixed_changes_with_the_next_session(voice: VoiceProcess) -> None:
    async with realtime_call(endpoint(voice.base_url)) as call:
        await greeted(call)
        await voice.faults(voice_fixed=True)
        before = call.engine_connections
        assert call.engine.set_voice("Rex")
        await call.until(lambda: call.engine_connections > before)
        assert await call.ask("who are you") == answer_to("who are you")
        assert (await voice.get("/stats"))["last_voice"] == "Rex"
        assert call.told == []
