"""The same conversations with every engine, on the local voice."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import pytest_asyncio
from livekit.agents.llm import function_tool  # noqa: TID251 - a tool as the agent's are

from agent.instructions import quoted_memories
from local.voice.persona import topic_of
from tests.integration.engine_call import EngineCall, endpoint, pipeline_call, realtime_call
from tests.integration.voice_wire import VoiceProcess, running_voice

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("engine", ["realtime", "pipeline"]),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice() -> AsyncIterator[VoiceProcess]:
    async with running_voice() as process:
        yield process


def call_of(
    engine: str, voice: VoiceProcess, **changes: Any
) -> AbstractAsyncContextManager[EngineCall]:
    if engine == "pipeline":
        return pipeline_call(voice, **changes)
    return realtime_call(endpoint(voice.base_url), **changes)


def answer_to(phrase: str) -> str:
    topic = topic_of(phrase)
    assert topic
    return topic.answer


async def test_a_caller_is_greeted_heard_answered_and_shown(
    engine: str, voice: VoiceProcess
) -> None:
    async with call_of(engine, voice) as call:
        await call.until(lambda: call.said("assistant"))
        assert call.said("assistant") == ["Hello, this is your demo voice."]
        await call.quiet()
        assert await call.ask("who are you") == answer_to("who are you")
        assert call.said("user") == ["who are you"]
        assert answer_to("who are you") in call.page.text
        assert call.told == []


async def test_an_interrupted_answer_is_cut_where_the_voice_stopped(
    engine: str, voice: VoiceProcess
) -> None:
    story = answer_to("tell me a story")
    async with call_of(engine, voice) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        call.microphone.say("tell me a story")
        await call.until(lambda: call.loudspeaker.playing)
        call.microphone.say("please stop talking")
        await call.until(lambda: any(cut for _, _, cut in call.items))
        told, was_cut = next((words, cut) for _, words, cut in call.items if cut)
        assert was_cut
        assert story.startswith(told)
        assert len(told) < len(story)
        await call.until(lambda: answer_to("please stop talking") in call.said("assistant"))
        assert call.said("user") == ["tell me a story", "please stop talking"]


async def test_another_voice_speaks_from_the_next_sentence_on(
    engine: str, voice: VoiceProcess
) -> None:
    async with call_of(engine, voice) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        assert (await voice.get("/stats"))["last_voice"] == "Ara"
        assert call.engine.set_voice("Rex")
        assert not call.engine.set_voice("Rex")
        await call.ask("who are you")
        assert (await voice.get("/stats"))["last_voice"] == "Rex"


async def test_new_instructions_hold_from_the_next_answer_on(
    engine: str, voice: VoiceProcess
) -> None:
    question = "what do you remember about me"
    async with call_of(engine, voice) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        assert await call.ask(question) == answer_to(question)
        await call.quiet()
        new = f"Be kind.\n\n{quoted_memories(['The caller likes tea.'])}"
        assert await call.update(instructions=new) == {"changed": True}
        assert await call.ask(question) == "I remember this. The caller likes tea."
        assert call.told == []


async def test_locked_instructions_stay(engine: str, voice: VoiceProcess) -> None:
    async with call_of(engine, voice, instructions_locked=True) as call:
        await call.until(lambda: call.said("assistant"))
        assert await call.update(instructions="You are another.") == {"changed": False}


async def test_a_tool_is_asked_and_its_answer_spoken(engine: str, voice: VoiceProcess) -> None:
    async def credit(raw_arguments: dict[str, object]) -> str:
        del raw_arguments
        return "There are nine minutes left."

    schema = {
        "name": "remaining_credit",
        "description": "How much is left.",
        "parameters": {"type": "object", "properties": {}},
    }
    tool = function_tool(credit, raw_schema=schema)
    async with call_of(engine, voice, tools=[tool]) as call:
        await call.until(lambda: call.said("assistant"))
        await call.quiet()
        assert await call.ask("how much credit is left") == "There are nine minutes left."
