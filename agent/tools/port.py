"""
A tool: what the model may have done in a call, one file each.

    TOOL = Tool(name="lamp", description="Switch the lamp.", arguments=Lamp, run=switch)

`arguments` is a pydantic model: its schema is what the model sees, and what it sends is checked
against it. `run` gets the desk of its call and nothing else of the agent. An operator's own tool is
a file like the others, and its name in `shared.tool_protocol.TOOL_NAMES`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from shared.call_protocol import Notice

TIMEOUT_S = 3.0  # the caller waits in silence

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Arguments(BaseModel):
    """What a tool takes; a subclass names the fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Nothing(Arguments):
    """A tool that needs not be told anything."""


class ControlPlane(Protocol):
    """/internal/v1/calls/{id}/tools of this call."""

    async def ask(self, tool: str, request: BaseModel, answer: type[AnswerT]) -> AnswerT:
        """Raises Refused or Unknown."""
        ...


class CallersPage(Protocol):
    def notify(self, notice: Notice) -> None:
        """Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class ToolDesk:
    """`seconds`: used so far. `part`: end the call when the goodbye has been heard."""

    control_plane: ControlPlane
    page: CallersPage
    epoch: int
    language: str
    links: Mapping[str, str]
    seconds: Callable[[], int]
    part: Callable[[], None]


ToolAnswer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """`adapt`: the schema for one call, where it depends on the call."""

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[[ToolDesk, Any], Awaitable[ToolAnswer]]
    timeout_s: float = TIMEOUT_S
    adapt: Callable[[dict[str, Any], ToolDesk], dict[str, Any]] | None = None


class MoreTools(Protocol):
    """Tools of one call from somewhere else, offered beside ours."""

    @property
    def tools(self) -> Sequence[Tool]: ...

    async def aclose(self) -> None:
        """When the call is over. Takes a moment at most."""
        ...


class NoMoreTools:
    tools: Sequence[Tool] = ()

    async def aclose(self) -> None:
        return None
