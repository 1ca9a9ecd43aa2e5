"""The real livekit-agents session and OpenAI plugin against the local voice, without a room."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from livekit.agents import Agent, function_tool  # noqa: TID251 - what the server is made for

from local.voice.persona import topic_of
from local.voice.scripted import STILL_HERE
from tests.integration.voice_call import calling
from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = 'Greet the caller: "Hello, this is your demo voice."'


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


async def until_counted(voice: VoiceProcess, counter: str, count: int) -> None:
    """Wait for a counter of the server, up to five seconds."""
    async with asyncio.timeout(5):
        while (await voice.get("/stats"))[counter] < count:
            await asyncio.sleep(0.02)


class ToolUser(Agent):
    """An agent with the tools of the production one, by name."""

    def __init__(self) -> None:
        super().__init__(instructions="Be kind.")
        self.ended = False

    @function_tool
    async def credit_left(self) -> str:
        """How much credit is left."""
        return "You have ninety seconds left."

    @function_tool
    async def end_call(self, reason: str) -> str:
        """End the call."""
        self.ended = bool(reason)
        return "Goodbye."


async def test_a_caller_is_greeted_heard_and_answered(
    voice: VoiceProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(voice.base_url) as call:
        await call.session.generate_reply(instructions=GREETING)
        assert call.said("assistant") == ["Hello, this is your demo voice."]
        assert call.loudspeaker.segments_s[0] == pytest.approx(2.3, abs=0.7)
        answer = await call.ask("who are you", answers=2)
        assert call.heard == ["who are you"]
        assert call.said("user") == ["who are you"]
        assert answer == answer_to("who are you")
        assert call.errors == []
        assert "failed to handle event" not in caplog.text


async def test_a_caller_can_interrupt_and_is_answered(voice: VoiceProcess) -> None:
    before = await voice.get("/stats")
    async with calling(voice.base_url) as call:
        call.microphone.say("tell me a story")
        await call.until(lambda: call.loudspeaker.playing)
        call.microphone.say("wait a moment")
        await call.until(lambda: "Of course. I am listening." in call.said("assistant"))
        assert call.heard == ["tell me a story", "wait a moment"]
        assert call.loudspeaker.segments_s[0] < 8  # the whole story takes 16 s
        await until_counted(voice, "items_truncated", before["items_truncated"] + 1)
        assert call.errors == []


async def test_typed_words_are_answered_by_voice(voice: VoiceProcess) -> None:
    async with calling(voice.base_url) as call:
        await call.session.generate_reply(user_input="Tell me a joke!")
        assert call.said("assistant") == [answer_to("tell me a joke")]
        assert call.loudspeaker.segments_s[0] > 2


async def test_a_tool_is_run_and_its_result_spoken(voice: VoiceProcess) -> None:
    async with calling(voice.base_url, agent=ToolUser()) as call:
        answer = await call.ask("how much credit is left", answers=1)
        assert answer == "You have ninety seconds left."
        assert call.errors == []


async def test_goodbye_ends_the_call_through_its_tool(voice: VoiceProcess) -> None:
    agent = ToolUser()
    async with calling(voice.base_url, agent=agent) as call:
        assert await call.ask("goodbye", answers=1) == "Goodbye."
        assert agent.ended


async def test_a_dropped_call_reconnects_and_remembers(voice: VoiceProcess) -> None:
    async with calling(voice.base_url) as call:
        await call.session.generate_reply(instructions=GREETING)
        await call.ask("tell me a joke", answers=2)
        before = await voice.get("/stats")
        await voice.faults(drop_after_s=0, times=1)
        await call.until(lambda: call.errors)
        assert [error.recoverable for error in call.errors] == [True]
        # (a reply asked for before the replay is over is discarded by the plugin)
        await until_counted(voice, "items_created", before["items_created"] + 3)
        # then the talk goes on where it was: an empty conversation would be greeted
        await call.session.generate_reply(instructions="Ask whether anybody is there.")
        assert call.said("assistant")[-1] == STILL_HERE
        assert await call.ask("who are you", answers=4) == answer_to("who are you")
        after = await voice.get("/stats")
        assert after["connections"] == before["connections"] + 1


async def test_a_drop_in_the_middle_of_speech_does_not_hang_the_call(voice: VoiceProcess) -> None:
    async with calling(voice.base_url) as call:
        call.microphone.say("tell me a story")
        await call.until(lambda: call.loudspeaker.playing)
        await voice.faults(drop_after_s=0, times=1)
        await call.until(lambda: call.errors)
        assert await call.ask("tell me a joke", answers=2) == answer_to("tell me a joke")


async def test_a_refusing_server_is_dialled_again(voice: VoiceProcess) -> None:
    await voice.faults(refuse=True, times=1)
    async with calling(voice.base_url) as call:
        await call.session.generate_reply(instructions=GREETING)
        assert call.said("assistant") == ["Hello, this is your demo voice."]
        assert [error.recoverable for error in call.errors] == [True]


async def test_an_exhausted_quota_is_an_unrecoverable_error(voice: VoiceProcess) -> None:
    async with calling(voice.base_url) as call:
        await voice.faults(error_code="insufficient_quota")
        call.microphone.say("tell me a joke")
        await call.until(lambda: call.errors)
        assert call.errors[0].recoverable is False


async def test_another_error_code_leaves_the_call_running(voice: VoiceProcess) -> None:
    async with calling(voice.base_url) as call:
        await voice.faults(error_code="server_busy", times=1)
        call.microphone.say("tell me a joke")
        await call.until(lambda: call.errors)
        assert call.errors[0].recoverable is True
        assert await call.ask("who are you", answers=1) == answer_to("who are you")


async def test_a_second_response_done_does_no_harm(voice: VoiceProcess) -> None:
    await voice.faults(double_done=True)
    async with calling(voice.base_url) as call:
        assert await call.ask("tell me a joke", answers=1) == answer_to("tell me a joke")
        assert await call.ask("who are you", answers=2) == answer_to("who are you")
        assert call.errors == []


async def test_a_mute_response_is_a_silent_turn(voice: VoiceProcess) -> None:
    await voice.faults(mute=True, times=1)
    async with calling(voice.base_url) as call:
        assert await call.ask("tell me a joke", answers=1) == answer_to("tell me a joke")
        assert call.loudspeaker.segments_s == []


async def test_a_stalled_server_never_answers_a_reply(voice: VoiceProcess) -> None:
    await voice.faults(stall=True)
    async with calling(voice.base_url) as call:
        reply = call.session.generate_reply(instructions=GREETING)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reply.wait_for_playout()), timeout=1)
        assert call.said("assistant") == []
        await voice.clear_faults()  # or closing waits ten seconds for the reply
