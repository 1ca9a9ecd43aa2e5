"""The port between the protocols and whatever decides what to say."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said so far; for a tool, its result. `tool` names the one that was called."""

    role: Role
    text: str
    tool: str | None = None
    call_id: str | None = None
    arguments: str | None = None  # on an assistant's line: it called the tool with these


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that is known when a reply is wanted."""

    instructions: str  # of the whole session
    order: str  # instructions for this one reply, "" when there are none
    lines: tuple[Line, ...]
    tools: tuple[Tool, ...] = ()
    # "auto", "none", "required" or the name of the tool to call
    tool_choice: str = "auto"


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str  # a JSON object


Utterance = Sentence | ToolCall


class MindFailed(Exception):
    """No reply can be made now; `code` is what a provider would answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Mind(Protocol):
    """Thinks of a reply."""

    def reply(self, prompt: Prompt) -> AsyncGenerator[Utterance, None]:
        """The reply by sentences; closed when the caller interrupts. Raises MindFailed."""
        ...


def tool_of(raw: dict[str, Any]) -> Tool:
    """A tool as the Realtime protocol writes it, or as chat completions nests it."""
    function = raw.get("function") if isinstance(raw.get("function"), dict) else raw
    parameters = function.get("parameters") if function else None
    return Tool(
        name=str((function or {}).get("name", "")),
        description=str((function or {}).get("description") or ""),
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def tool_choice_of(raw: object) -> str:
    """The tool choice as one word; see Prompt."""
    if isinstance(raw, dict):
        function = raw.get("function")
        name = raw.get("name") or (function.get("name") if isinstance(function, dict) else None)
        return str(name) if name else "auto"
    return raw if isinstance(raw, str) and raw else "auto"
