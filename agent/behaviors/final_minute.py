"""
The last minute of a prepaid call: told twice, taken back when credit comes, ended with a goodbye.

Everything is shown on the page at once; it is also spoken, but never over the caller for long.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import AgentSession

from agent.meter import Cue
from agent.page import Page
from agent.phrases import phrases_for, spoken
from shared.call_protocol import Notice
from shared.log import get_logger

log = get_logger(__name__)

QUIET_WAIT_S = 5.0  # how long a warning waits for a pause in the talk; then it stays unspoken
QUIET_POLL_S = 0.1


@dataclass(slots=True)
class FinalMinute:
    session: AgentSession[None]
    page: Page
    language: str
    _speaking: asyncio.Task[None] | None = field(default=None)

    def take(self, cue: Cue, seconds_left: int) -> None:
        """Act on one cue of the meter. Never waits."""
        phrases = phrases_for(self.language)
        if cue in (Cue.WARN_FIRST, Cue.WARN_LAST):
            words = phrases.seconds_left.format(seconds=seconds_left)
            self.page.notify(Notice(kind="low_balance", message=words, seconds_left=seconds_left))
            self.page.toast(words, variant="warning")
            self._say_in_a_pause(words)
        elif cue is Cue.WITHDRAWN:
            words = phrases.credit_added
            self.session.input.set_audio_enabled(True)
            self.page.notify(Notice(kind="credit_added", message=words, seconds_left=seconds_left))
            self.page.toast(words, variant="success")
            self._say_in_a_pause(words)
        elif cue is Cue.GOODBYE:
            words = phrases.goodbye
            self.page.notify(Notice(kind="goodbye", message=words, seconds_left=seconds_left))
            self._say(self._say_now(words))

    def _say_in_a_pause(self, words: str) -> None:
        self._say(self._wait_and_say(words))

    def _say(self, saying: Coroutine[Any, Any, None]) -> None:
        if self._speaking:
            self._speaking.cancel()  # what was waiting to be said is out of date
        self._speaking = asyncio.get_running_loop().create_task(saying)

    async def _wait_and_say(self, words: str) -> None:
        try:
            async with asyncio.timeout(QUIET_WAIT_S):
                while not self._is_quiet():  # noqa: ASYNC110 - two states of the framework's
                    await asyncio.sleep(QUIET_POLL_S)
        except TimeoutError:
            return
        await self._generate(words)

    async def _say_now(self, words: str) -> None:
        # Words of the caller would cut the goodbye short, and there is no time for an answer.
        self.session.input.set_audio_enabled(False)
        await self.session.interrupt()
        await self._generate(words)

    def _is_quiet(self) -> bool:
        return self.session.user_state != "speaking" and self.session.agent_state == "listening"

    async def _generate(self, words: str) -> None:
        try:
            await self.session.generate_reply(instructions=spoken(words, self.language))
        except RuntimeError as problem:  # the session is closing; the page has the words
            log.info("words_unspoken", error=type(problem).__name__)
