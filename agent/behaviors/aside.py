"""What the service itself says in the middle of a talk: in a pause, or at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from livekit.agents import AgentSession

from shared.log import get_logger

log = get_logger(__name__)

QUIET_WAIT_S = 20.0  # a sentence nobody was quiet for so long stays unspoken; the page has it
QUIET_POLL_S = 0.1
TRIES_MAX = 3  # a model that begins to answer the caller at that moment takes no order of ours


class Aside:
    """
    One sentence at a time: a newer one takes the place of one that still waits.

    An `order` is what makes the model say it; see `phrases.exactly` and `phrases.spoken`.
    """

    def __init__(self, session: AgentSession[None]) -> None:
        self._session = session
        self._saying: asyncio.Task[None] | None = None

    def in_a_pause(self, order: str, *, wait_s: float = QUIET_WAIT_S) -> None:
        """Unspoken when there is no pause within `wait_s`."""
        self._start(self._wait_and_say(order, wait_s))

    def at_once(self, order: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Cuts off what the agent is saying; `before` is called in between."""
        self._start(self._say_now(order, before))

    def _start(self, saying: Coroutine[Any, Any, None]) -> None:
        if self._saying:
            self._saying.cancel()
        self._saying = asyncio.get_running_loop().create_task(saying)

    async def _wait_and_say(self, order: str, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                while not self._is_quiet():  # noqa: ASYNC110 - two states of the framework's
                    await asyncio.sleep(QUIET_POLL_S)
        except TimeoutError:
            return
        await self._generate(order)

    async def _say_now(self, order: str, before: Callable[[], None]) -> None:
        for _ in range(TRIES_MAX):
            try:
                await self._session.interrupt()
            except RuntimeError:  # nothing to cut off: the session is closing
                return
            before()
            if await self._generate(order):
                return
            await asyncio.sleep(QUIET_POLL_S)

    def _is_quiet(self) -> bool:
        return self._session.user_state != "speaking" and self._session.agent_state == "listening"

    async def _generate(self, order: str) -> bool:
        """Whether something of it was said, or never will be."""
        try:
            said = self._session.generate_reply(instructions=order)
            await said
        except RuntimeError as problem:  # the session is closing; the page has the words
            log.info("words_unspoken", error=type(problem).__name__)
            return True
        return bool(said.chat_items)
