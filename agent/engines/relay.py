"""
Two engines of different kinds in one call: the second takes over when the first gives up.

It does so within the framework's session: another agent with the same instructions, tools and
conversation takes the place of the one whose models are gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livekit.agents import Agent, AgentSession, APIError

from agent.engines.port import Engine, Tell
from agent.owed_answer import Due
from shared.log import get_logger

log = get_logger(__name__)

TAKE_OVER_MAX_S = 8.0  # the framework lets go of a dead session in half a second


@dataclass(slots=True)
class RelayEngine:
    """Whoever speaks now, as one engine. `make_second` is called once, if at all."""

    engine: Engine
    make_second: Callable[[], Engine]
    gives_up: bool = False
    _is_second: bool = False
    _session: AgentSession[None] | None = None
    _tell: Tell | None = None
    _output_tokens: int | None = None
    _changing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.engine.gives_up = True

    @property
    def provider(self) -> str:
        return self.engine.provider

    def new_session(self) -> AgentSession[None]:
        return self.engine.new_session()

    def parts(self) -> dict[str, Any]:
        return self.engine.parts()

    def attach(self, session: AgentSession[None], tell: Tell) -> None:
        self._session, self._tell = session, tell
        self.engine.attach(session, self._tell_of(self.engine))

    def ping(self) -> None:
        self.engine.ping()

    def break_off(self) -> None:
        self.engine.break_off()

    def ordered(self, instructions: str) -> None:
        self.engine.ordered(instructions)

    def due(self) -> Due | None:
        return self.engine.due()

    def renew_if_due(self, *, is_quiet: bool) -> None:
        if not self._is_changing:
            self.engine.renew_if_due(is_quiet=is_quiet)

    def set_voice(self, voice: str) -> bool:
        return not self._is_changing and self.engine.set_voice(voice)

    def set_temperature(self, temperature: float) -> bool:
        return self.engine.set_temperature(temperature)

    def set_output_tokens(self, tokens: int | None) -> bool:
        self._output_tokens = tokens
        return not self._is_changing and self.engine.set_output_tokens(tokens)

    async def aclose(self) -> None:
        if self._changing:
            self._changing.cancel()
        await self.engine.aclose()

    @property
    def _is_changing(self) -> bool:
        return self._changing is not None and not self._changing.done()

    def _tell_of(self, engine: Engine) -> Tell:
        """Who was replaced has nothing to tell any more."""
        assert self._tell
        tell = self._tell
        return Tell(
            event=lambda: tell.event() if engine is self.engine else None,
            lost=lambda: tell.lost() if engine is self.engine else None,
            back=lambda due: tell.back(due) if engine is self.engine else None,
            failed=lambda: self._on_failed() if engine is self.engine else None,
        )

    def _on_failed(self) -> None:
        assert self._tell
        if self._is_second:
            self._tell.failed()
            return
        self._is_second = True
        self._tell.lost()
        due, gone = self.engine.due(), self.engine
        self.engine = self.make_second()
        log.warning("engine_changed", provider=self.engine.provider)
        self._changing = asyncio.get_running_loop().create_task(self._change(gone, due))

    async def _change(self, gone: Engine, due: Due | None) -> None:
        assert self._session
        assert self._tell
        session, before = self._session, self._session.current_agent
        agent = Agent(
            instructions=before.instructions,
            tools=before.tools,
            chat_ctx=session.history.copy(exclude_instructions=True, exclude_handoff=True),
            **self.engine.parts(),
        )
        try:
            async with asyncio.timeout(TAKE_OVER_MAX_S):
                await session.interrupt(force=True)
                session.update_agent(agent)
                changing = session._update_activity_atask  # noqa: SLF001 - it tells nobody else
                assert changing
                await asyncio.shield(changing)
        except (TimeoutError, RuntimeError, APIError) as problem:
            log.warning("engine_not_changed", error=type(problem).__name__)
            self._tell.failed()
            return
        self.engine.attach(session, self._tell_of(self.engine))
        if self._output_tokens:
            self.engine.set_output_tokens(self._output_tokens)
        self._tell.back(due)
        self.engine.ping()
        await gone.aclose()
