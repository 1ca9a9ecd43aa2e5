"""
A second opinion on what the caller says: a moderation model, where an operator has configured one.

It is asked beside the talk, one sentence after the other, and never waited for. When it is away the
list of words in `crisis.py` decides alone. What was said goes to that server and nowhere else.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from agent.settings import ModelServer
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

CATEGORY = "self-harm"  # with "self-harm/intent" and "self-harm/instructions"
TIMEOUT_S = 4.0  # a hosted model needs 0.3 s; help that comes later comes to another topic
ANSWER_BYTES_MAX = 65_536  # of a stranger's server; a real answer has 2,000
INPUT_CHARS_MAX = 2_000  # of one sentence, however long it is
WAITING_MAX = 4  # the oldest of more goes unasked
REST_S = 30.0  # after a failure: a server in trouble is not asked at each sentence


class ModeratorAway(Exception):
    """No usable answer, for whatever reason."""


class Moderator(Protocol):
    async def sees_self_harm(self, words: str) -> bool:
        """Raises ModeratorAway."""
        ...


class RestModerator:
    """Any server of OpenAI's POST /v1/moderations."""

    def __init__(
        self, http: aiohttp.ClientSession, server: ModelServer, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._http = http
        self._server = server
        self._timeout_s = timeout_s

    async def sees_self_harm(self, words: str) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                return _is_flagged(await self._ask(words))
        # A session that was closed with its call raises RuntimeError.
        except (aiohttp.ClientError, OSError, RuntimeError, TimeoutError, ValueError) as problem:
            raise ModeratorAway(type(problem).__name__) from None

    async def _ask(self, words: str) -> Any:
        async with self._http.post(
            f"{self._server.base_url.rstrip('/')}/moderations",
            json={"model": self._server.model, "input": words},
            headers={"Authorization": f"Bearer {self._server.key}"},
            allow_redirects=False,
        ) as answer:
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise ModeratorAway(f"status {answer.status}")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise ModeratorAway("too long")
            return json.loads(body)


def _is_flagged(answer: Any) -> bool:
    """Raises ValueError for an answer in another form."""
    try:
        categories = answer["results"][0]["categories"]
        return any(is_so is True for name, is_so in categories.items() if name.startswith(CATEGORY))
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ValueError("not a moderation") from None


@dataclass(slots=True)
class SecondOpinion:
    """`on_flag` when the model sees a crisis; `on_away` the first time it does not answer."""

    moderator: Moderator
    clock: Clock
    on_flag: Callable[[], None]
    on_away: Callable[[], None]
    _waiting: deque[str] = field(default_factory=lambda: deque(maxlen=WAITING_MAX))
    _asking: asyncio.Task[None] | None = None
    _rests_until_s: float = 0.0
    _was_away: bool = False

    def ask(self, words: str) -> None:
        """Never waits."""
        if not words.strip() or self.clock.monotonic() < self._rests_until_s:
            return
        self._waiting.append(words[:INPUT_CHARS_MAX])
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        """What is still asked is about a call that is over."""
        self._waiting.clear()
        if self._asking:
            self._asking.cancel()

    async def _work(self) -> None:
        while self._waiting:
            try:
                if await self.moderator.sees_self_harm(self._waiting.popleft()):
                    self.on_flag()
            except ModeratorAway as problem:
                self._rest(problem)

    def _rest(self, problem: ModeratorAway) -> None:
        self._waiting.clear()
        self._rests_until_s = self.clock.monotonic() + REST_S
        log.warning("moderation_away", dependency="moderation", reason=str(problem))
        if not self._was_away:
            self._was_away = True
            self.on_away()
