"""What a call asks of whoever speaks in it, and what it is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from livekit.agents import AgentSession

from agent.owed_answer import Due

ERRORS_MAX = 10**6  # of a session: who gives up, and when, is decided by the call


class NoEngine(Exception):
    """No configured provider speaks this model; `needs` are the settings that one would need."""

    def __init__(self, model: str, *, needs: str) -> None:
        super().__init__(f"nobody speaks the model {model}: it needs {needs}")


@dataclass(frozen=True, slots=True)
class Tell:
    """
    `event`: anything came from the provider. `lost`: nobody can answer until the next event.
    `back`: a new session took the place of the old one, and this is still to be said.
    `failed`: nobody is left who could speak.
    """

    event: Callable[[], None]
    lost: Callable[[], None]
    back: Callable[[Due | None], None]
    failed: Callable[[], None]


class Engine(Protocol):
    """
    Made inside the job of one call. `gives_up`: another engine is there, so a few failures without
    an answer in between count as `failed`.
    """

    gives_up: bool

    @property
    def provider(self) -> str:
        """Who speaks now."""
        ...

    def new_session(self) -> AgentSession[None]:
        """The framework's session, not started. Called once."""
        ...

    def parts(self) -> dict[str, Any]:
        """What an `Agent` takes to speak with this engine in the session of another one."""
        ...

    def attach(self, session: AgentSession[None], tell: Tell) -> None:
        """The session has started: watch what comes from the provider."""
        ...

    def ping(self) -> None:
        """Make the provider say anything, or `event` at once where there is no connection."""
        ...

    def break_off(self) -> None:
        """The provider does not answer any more: begin anew with it, or with the next one."""
        ...

    def ordered(self, instructions: str) -> None:
        """The session was asked to say something; it is asked again if that gets lost."""
        ...

    def due(self) -> Due | None:
        """What another engine has to say first that takes over now."""
        ...

    def renew_if_due(self, *, is_quiet: bool) -> None:
        """Call a few times a second: begin another session before this one ends, in a pause."""
        ...

    def set_voice(self, voice: str) -> bool:
        """Whether the next sentence will sound different."""
        ...

    def set_temperature(self, temperature: float) -> bool: ...

    def set_output_tokens(self, tokens: int | None) -> bool:
        """Limit what is said in one turn."""
        ...

    async def aclose(self) -> None:
        """After the session was closed."""
        ...
