"""Real calls on both kinds of engine: turns, an interruption, a new voice, an exact bill."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from local.call_plan import CallPlan, Line
from local.hearing import Hearing
from local.microphone import duration_s
from local.stack import Stack
from local.voice.persona import topic_of
from local.voice.speech import synthesize
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.engine_choice import MODELS, choosing_models, instructions_of
from tests.e2e.evening import the_record
from tests.e2e.handset import Handset, joined, minted_token
from tests.e2e.ledger import settled_exactly
from tests.e2e.talk import talk
from tests.e2e.unruly_voice import voice_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.parametrize("model", MODELS)]

METHOD = "pg.updateConfig"
LINES = ("tell me about yourself", "please stop talking", "can you hear me")
SECONDS = 30.0  # two busy cores hear, think and speak one after the other
WORDS_OFF_MAX = 25  # letters: a word at the cut, and the pace of a sentence
VOICE = "Ara"


@pytest_asyncio.fixture(autouse=True)
async def _models(rough: Stack) -> AsyncIterator[None]:
    async with choosing_models(rough):
        yield


def answer_to(phrase: str) -> str:
    topic = topic_of(phrase)
    assert topic
    return topic.answer


async def test_a_call_is_heard_interrupted_shown_and_billed(rough: Stack, model: str) -> None:
    first, second, third = LINES
    lines = (Line.of(first), Line.of(second, barge_in=True), Line.of(third))
    plan = CallPlan(lines=lines, seconds=SECONDS, instructions=instructions_of(model), voice=VOICE)
    caller = await signed_in(rough)
    async with talk(rough, plan, caller=caller) as ann:
        result = await ann.result(timeout_s=SECONDS + 40)
        record = await the_record(caller, result)
        call = caller._call
        assert call
    check = await settled_exactly(rough, result)
    print(f"{model}: truth {result.talked_s:.2f} s, billed {check.seconds} s, {result.turns}")
    assert result.end_reason == "caller_hangup"
    assert_heard(record["transcript"], call._hearing)
    shown = " ".join(c.text for c in result.captions if c.speaker == "agent")
    assert answer_to(third) in shown
    assert record["gaps"] == []
    assert call.disclosure.total_s > 1, "that this is an AI was heard"
    assert call.disclosure.stretches[-1].until_s < call._hearing.stretches[0].from_s


def assert_heard(transcript: list[dict[str, Any]], hearing: Hearing) -> None:
    """The answer that was interrupted ends where the voice stopped."""
    said = [line["text"] for line in transcript if line["role"] == "user"]
    assert said[1:3] == list(LINES[1:])
    cut = [line["text"] for line in transcript if line["interrupted"]]
    assert cut, transcript
    answer = answer_to(said[0])  # the ear of the local voice understands 19 of 20 sentences
    assert answer.startswith(cut[0])
    assert len(cut[0]) < len(answer)
    heard = hearing.stretches[1]  # after the greeting
    share = (heard.until_s - heard.from_s) / duration_s(synthesize(answer, VOICE).pcm)
    print(f"heard {share * len(answer):.0f} letters of the answer, kept {len(cut[0])}")
    assert abs(share * len(answer) - len(cut[0])) <= WORDS_OFF_MAX


@asynccontextmanager
async def calling(stack: Stack, model: str) -> AsyncIterator[tuple[Handset, str, list[Any]]]:
    """A caller who hears the agent, the room's name, and the record once it is over."""
    caller = await signed_in(stack)
    token = await ask(caller, instructions=instructions_of(model))
    record: list[Any] = []
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        yield handset, f"ro-{token.call_id}", record
    result = await settled(caller, token)
    record.append(await the_record(caller, result))


async def test_only_the_caller_changes_the_voice_of_a_call_that_goes_on(
    rough: Stack, model: str
) -> None:
    voice = voice_of(rough)
    async with calling(rough, model) as (ann, room, record):
        await ann.hear("loud and clear", to="can you hear me")
        before = await voice.last_voice()
        url = rough.env["LIVEKIT_URL"]
        async with joined(url, minted_token(rough, room, "intruder")) as intruder:
            refused = await intruder.ask_agent(METHOD, json.dumps({"voice": "Eve"}))
            assert refused == {"changed": False}
        changed = await ann.ask_agent(METHOD, json.dumps({"voice": "Rex", "temperature": 0.4}))
        assert changed == {"changed": True}
        await ann.hear("demo voice", to="who are you")
        assert (before, await voice.last_voice()) == (VOICE, "Rex")
    assert record[0]["gaps"] == [], "no second was given away"


async def test_the_credit_that_is_left_is_told_by_the_tool(rough: Stack, model: str) -> None:
    async with calling(rough, model) as (ann, _, record):
        await ann.hear("minutes", to="how much credit is left")
    said = [line["text"] for line in record[0]["transcript"] if line["role"] == "assistant"]
    assert not any("cannot see your balance" in words for words in said), said
