"""The persona as a Mind: looks the answer up, calls a tool where the session has one for it."""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any

from local.voice.mind import Line, Prompt, Sentence, Tool, ToolCall, Utterance
from local.voice.notes import notes_for, remembered_in
from local.voice.persona import (
    FALLBACK,
    GREETING,
    ordered_words,
    rest_of_answer,
    topic_of,
)
from local.voice.sentences import sentences_of

STILL_HERE = "I am still here. Are you?"
DONE = "That is done."
SPOKEN_RESULT_CHARS_MAX = 400

_SPOKEN_KEYS = ("say", "message", "text", "answer", "result")
_DEFAULT_OF_TYPE: dict[str, Any] = {
    "string": "the caller asked for it",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


class ScriptedMind:
    """Deterministic, and as quick as a dictionary."""

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Utterance, None]:
        call = tool_call_for(prompt)
        if call:
            yield call
            return
        notes = notes_for(prompt)
        if notes:
            yield Sentence(notes)
            return
        for sentence in sentences_of(words_for(prompt)):
            yield Sentence(sentence)


def tool_call_for(prompt: Prompt) -> ToolCall | None:
    """The tool that the caller's last words, or the client, ask for."""
    last = prompt.lines[-1] if prompt.lines else None
    if prompt.tool_choice == "none" or not prompt.tools or (last and last.role == "tool"):
        return None
    if prompt.tool_choice == "required":
        return _call(prompt.tools[0])
    if prompt.tool_choice != "auto":
        named = [tool for tool in prompt.tools if tool.name == prompt.tool_choice]
        return _call(named[0]) if named else None
    topic = topic_of(last.text) if last and last.role == "user" else None
    if topic is None or topic.tool_word is None or ordered_words(prompt.order):
        return None
    fitting = [tool for tool in prompt.tools if topic.tool_word in _words_of_name(tool.name)]
    return _call(fitting[0], said=_said(prompt)) if fitting else None


def _said(prompt: Prompt) -> dict[str, str]:
    """Arguments by these names: the caller's last words, and those before."""
    words = [line.text for line in prompt.lines if line.role == "user"]
    return {"words": words[-1], "fact": words[-2] if len(words) > 1 else words[-1]}


def words_for(prompt: Prompt) -> str:
    """What to say, tools aside."""
    ordered = rest_of_answer(prompt.order) or ordered_words(prompt.order)
    if ordered:
        return ordered
    spoken = [line for line in prompt.lines if line.role != "system"]
    if not spoken:
        return GREETING
    last = spoken[-1]
    if last.role == "tool":
        return _spoken_result(last)
    if last.role == "assistant":
        return STILL_HERE
    return _answer(last.text, prompt.instructions)


def _answer(said: str, instructions: str) -> str:
    topic = topic_of(said)
    if topic is None:
        return FALLBACK
    if topic is topic_of("what do you remember about me"):
        return remembered_in(instructions) or topic.answer
    return topic.answer


def _words_of_name(name: str) -> list[str]:
    """end_call, endCall and end-call are all end and call; send_mail is not end."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().replace("-", "_").split("_")


def _call(tool: Tool, *, said: Mapping[str, str] = MappingProxyType({})) -> ToolCall:
    """A call with an unremarkable value for each required argument."""
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    arguments = {}
    for name in required if isinstance(required, list) else []:
        schema = properties.get(name) if isinstance(properties, dict) else None
        arguments[name] = said.get(name) or _argument(schema if isinstance(schema, dict) else {})
    return ToolCall(tool.name, json.dumps(arguments))


def _argument(schema: dict[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    return _DEFAULT_OF_TYPE.get(str(schema.get("type")), "")


def _spoken_result(line: Line) -> str:
    """A tool's result as a sentence: its text, or its fields one after the other."""
    try:
        result = json.loads(line.text)
    except ValueError:
        result = line.text
    if isinstance(result, dict):
        said = [result[key] for key in _SPOKEN_KEYS if isinstance(result.get(key), str)]
        listed = ", ".join(
            f"{str(key).replace('_', ' ')}: {value}" for key, value in result.items()
        )
        result = said[0] if said else listed
    if result in (None, "", [], True):
        return DONE
    return str(result)[:SPOKEN_RESULT_CHARS_MAX]
