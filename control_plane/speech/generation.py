"""
The desk: fulfils orders from the cache, by joining work that is under way, or by a provider.

    cached?  ->  the only one who makes it?  ->  hold  ->  speak and judge  ->  store  ->  sell

A cache hit is answered before anything about credit is asked. Whatever goes wrong between hold and
sale gives the hold back at once; what dies there is given back by the jobs, and an object without
its row is swept by them. A sale is one transaction, so there is no debit without stored audio.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final, Protocol

import asyncpg

from billing.generation_charges import ReleaseReason
from control_plane.speech.cache import MadeBefore
from control_plane.speech.cashier import AlreadyCached, Cashier, Goods, Hold, charge_keys
from control_plane.speech.flights import Flights
from control_plane.speech.order import SpeechOrder, Spoken
from control_plane.speech.production import Production, Take
from control_plane.speech.recipe import Recipe, recipe_of
from control_plane.speech.shielding import seen_through
from control_plane.speech.takes import Takes
from control_plane.store.speech_charges import Attempt
from control_plane.tts.port import NoAudio, ProviderAway
from shared import metrics
from shared.clock import Clock
from shared.errors import Conflict, Refused
from shared.log import get_logger

log = get_logger(__name__)

# Less than a hold lives, so that who is still at work can still sell.
FULFIL_S_MAX: Final = 600.0

# What the database may answer when it is asked to give a hold back, and is going or gone.
DATABASE_TROUBLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class TooManyAttempts(Conflict):
    """This idempotency key was tried too often; use a new one"""

    code = "too_many_attempts"


class Seats(Protocol):
    """How much one account may have in flight (`limits/occupancy.py`)."""

    def seat(self, kind: str, subject: str, *, limit: int) -> AbstractAsyncContextManager[None]: ...


class SpeechDesk:
    """A Desk (see `desk.py`). Safe to use from many tasks at once."""

    def __init__(
        self,
        *,
        before: MadeBefore,
        cashier: Cashier,
        production: Production,
        flights: Flights,
        seats: Seats,
        seats_max: int,
        clock: Clock,
    ) -> None:
        self._before = before
        self._cashier = cashier
        self._production = production
        self._flights = flights
        self._takes = Takes()
        self._seats = seats
        self._seats_max = seats_max
        self._clock = clock

    async def fulfil(self, order: SpeechOrder, *, idempotency_key: str | None = None) -> Spoken:
        recipe = recipe_of(order)
        keys = charge_keys(idempotency_key)
        try:
            async with asyncio.timeout(FULFIL_S_MAX):
                return await self._answered(recipe, keys)
        except TimeoutError:
            raise ProviderAway from None

    def remembered(self, order: SpeechOrder) -> Spoken | None:
        """A hit of some seconds ago with a voice of everybody's, at no cost to anybody."""
        return self._before.remembered(recipe_of(order))

    async def stream(self, order: SpeechOrder) -> AsyncGenerator[bytes | Spoken, None]:
        """Close it (`contextlib.aclosing`) when the client goes: then nobody pays."""
        recipe = recipe_of(order)
        known = await self._before.cached(recipe)
        if known is not None:
            stored = self._production.play(known.object_key, known.audio_format)
            async with aclosing(stored) as pieces:
                async for piece in pieces:
                    yield piece
            yield known
            return
        async with self._seat_for(recipe), aclosing(self._live(recipe)) as pieces_and_sale:
            async for each in pieces_and_sale:
                yield each

    async def _live(self, recipe: Recipe) -> AsyncGenerator[bytes | Spoken, None]:
        hold = await self._held(recipe, charge_keys(None)[0])
        heard = bytearray()
        try:
            async with aclosing(self._production.stream(recipe, heard)) as live:
                deadline = self._clock.monotonic() + FULFIL_S_MAX
                async for piece in live:
                    yield piece
                    if self._clock.monotonic() > deadline:
                        raise ProviderAway  # noqa: TRY301 - the hold is given back below
            # All of it was delivered: who goes now, instead of waiting for the bill, pays.
            sale = await seen_through(self._finished(recipe, hold, heard))
        except BaseException as error:
            known = await self._gave_up(recipe, hold, error)
            if known is None:
                raise
            sale = known
        yield sale

    @property
    def unanswered(self) -> int:
        """Orders of this process that wait for audio, their own or somebody else's."""
        return self._takes.wishes

    async def _finished(self, recipe: Recipe, hold: Hold, heard: bytearray) -> Spoken:
        take = await self._production.finish_stream(recipe, bytes(heard))
        return await self._stored_and_sold(recipe, hold, take, or_alone=True)

    async def close(self) -> None:
        await self._flights.close()

    async def _answered(self, recipe: Recipe, keys: list[str]) -> Spoken:
        """Look, join or lead, and look again; ends with `FULFIL_S_MAX` at the latest."""
        known = await self._before.find(recipe, keys)
        if known is not None:
            return known
        flight = _flight_of(recipe, keys)
        async with self._takes.wanted(flight):
            return await self._joined_or_made(recipe, keys, flight)

    async def _joined_or_made(self, recipe: Recipe, keys: list[str], flight: bytes) -> Spoken:
        """A second take is sold whatever others have: nobody is asked for a third one."""
        has_made = False
        while True:
            async with self._flights.lead(flight) as leads:
                known = await self._before.find(recipe, keys)
                if known is not None:
                    return known
                if leads:
                    made = await self._made(recipe, keys, flight, or_alone=has_made)
                    if made is not None:
                        return made
                    has_made = True

    async def _made(
        self, recipe: Recipe, keys: list[str], flight: bytes, *, or_alone: bool
    ) -> Spoken | None:
        """None when somebody else's audio of this order became known first."""
        async with self._seat_for(recipe):
            return await self._made_and_sold(recipe, keys, flight, or_alone=or_alone)

    async def _made_and_sold(
        self, recipe: Recipe, keys: list[str], flight: bytes, *, or_alone: bool
    ) -> Spoken | None:
        hold = await self._held(recipe, await self._free_key(recipe, keys))
        try:
            take = await self._takes.of(flight, lambda: self._production.make(recipe))
            return await self._stored_and_sold(recipe, hold, take, or_alone=or_alone)
        except BaseException as error:
            sold = await self._gave_up(recipe, hold, error)
            if sold is None and not isinstance(error, AlreadyCached):
                raise
            return sold

    def _seat_for(self, recipe: Recipe) -> AbstractAsyncContextManager[None]:
        """Who only waits for others, or is answered from the cache, takes none."""
        subject = str(recipe.order.user_id)
        return self._seats.seat("generation", subject, limit=self._seats_max)

    async def _free_key(self, recipe: Recipe, keys: list[str]) -> str:
        """
        The key of the next attempt. An attempt that is still open is ended first.

        We lead, so its process is dead, or has lost touch: it will find that it is too late.
        """
        if len(keys) == 1:  # no two attempts share a key, and nobody will ask for this one
            return charge_keys(None)[0]
        tried = await self._before.attempts(recipe, keys)
        for attempt in tried:
            if attempt.state == "reserved":
                await self._cashier.let_go(attempt.id, ReleaseReason.CANCELLED)
        if len(tried) >= len(keys):
            raise TooManyAttempts
        return keys[len(tried)]

    async def _held(self, recipe: Recipe, key: str) -> Hold:
        """A hold that was made although the client has gone is given back."""
        holding = asyncio.create_task(self._cashier.hold(recipe, charge_key=key))
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError as gone:
            await seen_through(self._give_back(recipe, holding, gone))
            raise

    async def _give_back(
        self, recipe: Recipe, holding: asyncio.Task[Hold], error: BaseException
    ) -> None:
        await asyncio.wait({holding})
        if not holding.cancelled() and holding.exception() is None:
            await self._gave_up(recipe, holding.result(), error)

    async def _stored_and_sold(
        self, recipe: Recipe, hold: Hold, take: Take, *, or_alone: bool = False
    ) -> Spoken:
        """
        Sell it as the cached audio of its digest; raises AlreadyCached when there is one.

        `or_alone`: then sell it as one's own, because it was delivered already, or tried before.
        """
        await self._production.store(recipe, object_key=hold.object_key, data=take.data)
        goods = Goods(
            facts=take.recording.facts,
            size_bytes=len(take.data),
            provider_model=take.provider_model,
            tokens=take.tokens,
        )
        is_cached = not recipe.order.is_fresh
        try:
            sale = self._cashier.sell(recipe, hold, goods, is_cached=is_cached)
            spoken = await seen_through(sale)
        except AlreadyCached:
            if not or_alone:
                raise
            sale = self._cashier.sell(recipe, hold, goods, is_cached=False)
            spoken = await seen_through(sale)
        metrics.GENERATIONS.labels("sold").inc()
        return spoken

    async def _gave_up(self, recipe: Recipe, hold: Hold, error: BaseException) -> Spoken | None:
        """
        Give the hold back; the sale, if it had taken place although we did not hear of it.

        A database that is away cannot be told: then the jobs give the hold back when it ends.
        """
        reason = _reason(error)
        metrics.GENERATIONS.labels(reason.value).inc()
        try:
            charge = await seen_through(self._cashier.let_go(hold.charge.id, reason))
            if charge.state != "settled" or reason is ReleaseReason.CANCELLED:
                return None
            attempt = Attempt(charge.id, charge.state, recipe.digest, charge.cost)
            return await self._before.sold(recipe, attempt)
        except DATABASE_TROUBLE:
            log.warning("hold_not_released", charge_id=str(hold.charge.id))
            return None


def _flight_of(recipe: Recipe, keys: list[str]) -> bytes:
    """
    Who wants fresh audio joins nobody, except oneself when the same request comes twice.

    Who may not fall back to another model joins no one who may: they fail for other reasons.
    """
    if not recipe.order.is_fresh:
        falls_back = recipe.may_fall_back and recipe.model.fallback_model is not None
        return recipe.digest + (b"+" if falls_back else b"")
    return hashlib.sha256(f"{recipe.order.user_id} {keys[0]}".encode()).digest()


def _reason(error: BaseException) -> ReleaseReason:
    if isinstance(error, AlreadyCached):
        return ReleaseReason.CACHE_HIT
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ReleaseReason.CANCELLED
    if isinstance(error, NoAudio):
        return ReleaseReason.BAD_AUDIO
    return ReleaseReason.REFUSED if isinstance(error, Refused) else ReleaseReason.FAILED
