"""One model at one provider: time-outs, a few repetitions, a breaker."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass

from control_plane.tts.breaker import Breaker
from control_plane.tts.port import NoAudio, Provider, ProviderAway, Speech, Utterance
from control_plane.tts.token_counts import CountsTokens
from shared.clock import Clock
from shared.errors import AppError
from shared.log import get_logger
from shared.metrics import SPEECH_ATTEMPT_S, SPEECH_ATTEMPTS

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long we wait and how often we ask; all in seconds but the first."""

    attempts_max: int = 3
    attempt_s: float = 120.0  # the slowest model needs about 60 s for 1,000 characters
    first_byte_s: float = 30.0  # of a stream
    stall_s: float = 20.0  # between two pieces of a stream
    stream_s: float = 600.0  # ten minutes: more than the longest text takes to be read
    count_s: float = 10.0
    backoff_s: float = 0.4  # doubles with each attempt, and is jittered
    backoff_max_s: float = 4.0


class ProviderSlow(ProviderAway):
    """The voice's provider takes too long, please retry"""


class ProviderRests(ProviderAway):
    """The voice's provider fails at the moment, please retry later"""


class Attempts:
    """
    Breakers are kept for each model of a provider: one overloaded model says nothing of another.

    Their number is bounded by the models in the catalogue and in `voices`.
    """

    def __init__(
        self, clock: Clock, patience: Patience, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._jitter = jitter  # 0 to 1
        self._breakers: dict[tuple[str, str], Breaker] = {}

    async def speak(self, provider: Provider, utterance: Utterance) -> Speech:
        for attempt in range(1, self._patience.attempts_max + 1):
            try:
                return await self._speak_once(provider, utterance)
            except (ProviderSlow, ProviderRests):
                raise
            except ProviderAway:
                if attempt == self._patience.attempts_max:
                    raise
            await self._back_off(attempt)
        raise AssertionError("attempts_max is at least 1")

    async def stream(self, provider: Provider, utterance: Utterance) -> AsyncGenerator[bytes]:
        for attempt in range(1, self._patience.attempts_max + 1):
            has_begun = False
            try:
                async with aclosing(self._stream_once(provider, utterance)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except (ProviderSlow, ProviderRests):
                raise
            except ProviderAway:
                if has_begun or attempt == self._patience.attempts_max:
                    raise
            else:
                return
            await self._back_off(attempt)

    async def count_tokens(self, provider: CountsTokens, utterance: Utterance) -> int:
        """Asked once: an estimate is not worth waiting for."""
        with self._watched(provider.name, utterance.model):
            async with _limit(self._patience.count_s):
                return await provider.count_tokens(utterance)

    async def _speak_once(self, provider: Provider, utterance: Utterance) -> Speech:
        began_s = self._clock.monotonic()
        with self._watched(provider.name, utterance.model):
            async with _limit(self._patience.attempt_s):
                speech = await provider.speak(utterance)
            if not speech.audio:
                raise NoAudio
        took_s = self._clock.monotonic() - began_s
        SPEECH_ATTEMPT_S.labels(provider.name, "whole").observe(took_s)
        return speech

    async def _stream_once(self, provider: Provider, utterance: Utterance) -> AsyncGenerator[bytes]:
        began_s = self._clock.monotonic()
        with self._watched(provider.name, utterance.model):
            async with _closed_at_end(provider.stream(utterance)) as pieces:
                piece = await _next_piece(pieces, within_s=self._patience.first_byte_s)
                if not piece:
                    raise NoAudio
                waited_s = self._clock.monotonic() - began_s
                SPEECH_ATTEMPT_S.labels(provider.name, "first_byte").observe(waited_s)
                while piece:
                    yield piece
                    if self._clock.monotonic() - began_s > self._patience.stream_s:
                        raise ProviderSlow
                    piece = await _next_piece(pieces, within_s=self._patience.stall_s)

    @contextmanager
    def _watched(self, provider: str, model: str) -> Iterator[None]:
        """Ask the breaker, tell it the end, count the outcome. Raises ProviderRests."""
        breaker = self._breakers.setdefault((provider, model), Breaker(self._clock))
        if not breaker.admit():
            SPEECH_ATTEMPTS.labels(provider, "breaker_open").inc()
            raise ProviderRests(retry_after_s=round(breaker.wait_s()) + 1)
        try:
            yield
        except ProviderAway as error:
            breaker.failed()
            SPEECH_ATTEMPTS.labels(provider, error.code).inc()
            if breaker.is_open:
                log.warning("breaker_open", provider=provider, model=model)
            raise
        except AppError as error:
            breaker.succeeded()  # it answered
            SPEECH_ATTEMPTS.labels(provider, error.code).inc()
            raise
        except BaseException:
            breaker.abandoned()
            SPEECH_ATTEMPTS.labels(provider, "cancelled").inc()
            raise
        breaker.succeeded()
        SPEECH_ATTEMPTS.labels(provider, "done").inc()

    async def _back_off(self, attempt: int) -> None:
        longest_s = min(self._patience.backoff_s * 2 ** (attempt - 1), self._patience.backoff_max_s)
        await asyncio.sleep(longest_s * (0.5 + 0.5 * self._jitter()))


async def _next_piece(pieces: AsyncIterator[bytes], *, within_s: float) -> bytes:
    """The next piece that is not empty; empty at the end. Raises ProviderSlow."""
    async with _limit(within_s):
        async for piece in pieces:
            if piece:
                return piece
    return b""


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ProviderSlow from None


@asynccontextmanager
async def _closed_at_end(pieces: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Closes a generator even where it was not read to its end: that ends the connection."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
