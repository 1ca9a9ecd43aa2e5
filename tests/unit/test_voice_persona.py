"""What the persona understands, what it says, and when it calls a tool."""

import json
from typing import Any

import pytest

from agent.phrases import spoken
from control_plane.greetings import greeting_in
from local.voice.mind import Line, Prompt, Sentence, Tool, ToolCall, Utterance
from local.voice.persona import FALLBACK, GREETING, PHRASES, TOPICS, ordered_words, topic_of
from local.voice.scripted import DONE, STILL_HERE, ScriptedMind
from local.voice.speech import synthesize
from shared.languages import LANGUAGES

CREDIT = Tool("getCreditLeft", "", {})
END = Tool("end_call", "", {})
SEND = Tool("send_mail", "", {})


async def reply(*lines: Line, **prompt: Any) -> list[Utterance]:
    fields = {"instructions": "", "order": "", "lines": lines, **prompt}
    return [utterance async for utterance in ScriptedMind().reply(Prompt(**fields))]


async def words(*lines: Line, **prompt: Any) -> str:
    parts = await reply(*lines, **prompt)
    return " ".join(part.text for part in parts if isinstance(part, Sentence))


def user(text: str) -> Line:
    return Line("user", text)


def test_every_phrase_belongs_to_its_topic() -> None:
    assert len(set(PHRASES)) == len(PHRASES)
    for topic in TOPICS:
        assert [topic_of(phrase) for phrase in topic.phrases] == [topic] * len(topic.phrases)


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ("Tell me a joke!", "tell me a joke"),
        ("Well... could you tell me a STORY, please?", "tell me a story"),
        ("Goodbye and thank you very much", "thank you very much"),
    ],
)
def test_typed_words_are_understood_around_the_phrase(said: str, phrase: str) -> None:
    assert topic_of(said) is topic_of(phrase)


@pytest.mark.parametrize("said", ["", "joke", "tell me a storybook", "…", "x" * 100_000])
def test_other_words_are_no_topic(said: str) -> None:
    assert topic_of(said) is None


def test_some_answers_are_long_enough_to_be_interrupted() -> None:
    long_ones = [synthesize(topic.answer, "Ara").duration_s for topic in TOPICS]
    assert sum(8 <= seconds <= 20 for seconds in long_ones) >= 3
    assert synthesize(GREETING, "Ara").duration_s < 6


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        ('Greet the caller: "Hello, you."', "Hello, you."),
        ('Say: "One minute left."', "One minute left."),
        ("Say: “One minute left.”", "One minute left."),
        ('say exactly this: "He said \\"hi\\"."', 'He said "hi".'),
        ('You may say: "no".\nNow say: "yes"', "yes"),
        ('Say: "two\nlines"', "two\nlines"),
        ("Say: hello", None),
        ('Say: ""', None),
        ('An essay: "not this"', None),
        ("", None),
    ],
)
def test_quoted_orders_are_found(instructions: str, said: str | None) -> None:
    assert ordered_words(instructions) == said


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_greetings_of_the_control_plane_are_understood(language: str) -> None:
    greeting = greeting_in(language)
    words = ordered_words(greeting)
    assert words
    assert greeting.endswith(f'"{words}"')


def test_the_sentences_of_the_agent_are_understood() -> None:
    for language in ("en", "de", "xx"):
        assert ordered_words(spoken("Your time is up.", language)) == "Your time is up."


async def test_an_order_comes_before_everything_else() -> None:
    said = await words(
        user("how much credit is left"), order='Say: "Goodbye."', tools=(CREDIT, END)
    )
    assert said == "Goodbye."


async def test_nobody_has_spoken_yet_is_greeted() -> None:
    assert await words() == GREETING
    assert await words(Line("system", "Be kind."), order="Greet the caller.") == GREETING


async def test_unknown_words_get_the_fallback_and_an_answered_caller_a_question() -> None:
    assert await words(user("")) == FALLBACK
    assert await words(user("who are you"), Line("assistant", "A voice.")) == STILL_HERE


async def test_the_tool_with_the_word_in_its_name_is_called() -> None:
    assert await reply(user("how much credit is left"), tools=(SEND, END, CREDIT)) == [
        ToolCall("getCreditLeft", "{}")
    ]
    assert await reply(user("goodbye"), tools=(SEND, CREDIT, END)) == [ToolCall("end_call", "{}")]


async def test_send_mail_does_not_end_the_call() -> None:
    assert await words(user("goodbye"), tools=(SEND,)) == "Goodbye! It was good to talk to you."


async def test_the_choice_of_tools_is_the_client_s() -> None:
    joke = user("tell me a joke")
    assert await reply(joke, tools=(SEND, END), tool_choice="required") == [
        ToolCall("send_mail", "{}")
    ]
    assert await reply(joke, tools=(SEND, END), tool_choice="end_call") == [
        ToolCall("end_call", "{}")
    ]
    assert await words(user("goodbye"), tools=(END,), tool_choice="none")


async def test_required_arguments_get_a_value_of_their_type() -> None:
    schema = {
        "properties": {
            "why": {"type": "string", "enum": ["asked", "bored"]},
            "seconds": {"type": "integer"},
            "note": {"type": "string"},
        },
        "required": ["why", "seconds"],
    }
    (call,) = await reply(user("goodbye"), tools=(Tool("end_call", "", schema),))
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"why": "asked", "seconds": 0}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("You have a minute.", "You have a minute."),
        ('{"message": "You have a minute.", "seconds": 60}', "You have a minute."),
        ('{"seconds_left": 60, "credits": 2}', "seconds left: 60, credits: 2"),
        ('"sixty"', "sixty"),
        ("", DONE),
        ("null", DONE),
    ],
)
async def test_a_tool_s_result_is_spoken(result: str, said: str) -> None:
    line = Line("tool", result, tool="getCreditLeft", call_id="c")
    assert await words(user("how much credit is left"), line, tools=(CREDIT,)) == said
