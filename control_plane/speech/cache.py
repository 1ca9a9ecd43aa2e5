"""What was made before: for anybody who may hear that voice, or by this very request."""

from uuid import UUID

from billing.generation_charges import KeyReused
from control_plane.speech.order import Spoken
from control_plane.speech.recent import Recent
from control_plane.speech.recipe import Recipe
from control_plane.store import audio_files, audio_objects, speech_charges
from control_plane.store.audio_objects import KnownAudio
from control_plane.store.speech_charges import Attempt
from shared import metrics
from shared.clock import Clock
from shared.db import CONNECT_TIMEOUT_S, Pool, transaction


class MadeBefore:
    """
    Looks without a transaction: each look is one statement, and a hit should be cheap.

    Hits with everybody's voices are remembered for `believed_s`; those with one's own never, for
    their owner may withdraw them at any moment.
    """

    def __init__(self, pool: Pool, clock: Clock, *, believed_s: float) -> None:
        self._pool = pool
        self._clock = clock
        self._recent: Recent[bytes, KnownAudio] = Recent(clock, believed_s=believed_s)

    def remembered(self, recipe: Recipe) -> Spoken | None:
        """A hit of a moment ago, without asking anybody."""
        if recipe.order.is_fresh or recipe.order.voice.is_own:
            return None
        audio = self._recent.get(recipe.digest)
        if audio is None:
            return None
        metrics.GENERATIONS.labels("cached").inc()
        return _spoken(audio, cost=0)

    async def find(self, recipe: Recipe, keys: list[str]) -> Spoken | None:
        """The first answer to the client's own key, or the cached audio. Raises KeyReused."""
        if len(keys) > 1:
            tried = await self.attempts(recipe, keys)
            sold = next((attempt for attempt in tried if attempt.state == "settled"), None)
            if sold is not None:
                return await self.sold(recipe, sold)
        return await self.cached(recipe)

    async def cached(self, recipe: Recipe) -> Spoken | None:
        """Free of charge; None for an order that wants fresh audio."""
        if recipe.order.is_fresh:
            return None
        known = self.remembered(recipe)
        if known is not None:
            return known
        began = self._clock.monotonic()
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as db:
            audio = await audio_objects.find_cached(
                db, digest=recipe.digest, listener=recipe.order.user_id
            )
        if audio is None:
            return None
        if not recipe.order.voice.is_own:
            self._recent.put(recipe.digest, audio, asked_at=began)
        metrics.GENERATIONS.labels("cached").inc()
        return _spoken(audio, cost=0)

    async def attempts(self, recipe: Recipe, keys: list[str]) -> list[Attempt]:
        """Raises KeyReused when one of them was for something else."""
        owner = recipe.order.user_id
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as db:
            attempts = await speech_charges.attempts(db, owner=owner, keys=keys)
        if any(attempt.request_sha256 != recipe.digest for attempt in attempts):
            raise KeyReused
        return attempts

    async def sold(self, recipe: Recipe, attempt: Attempt) -> Spoken | None:
        """None when its audio was purged since: the order is a new one then."""
        owner = recipe.order.user_id
        async with transaction(self._pool) as tx:
            audio = await audio_objects.find_of_charge(tx, charge_id=attempt.id, owner=owner)
            file_id = await audio_files.id_of_charge(tx, charge_id=attempt.id, owner=owner)
        if audio is None:
            return None
        return _spoken(audio, cost=attempt.cost, charge_id=attempt.id, file_id=file_id)


def _spoken(
    audio: KnownAudio, *, cost: int, charge_id: UUID | None = None, file_id: UUID | None = None
) -> Spoken:
    """What the account has left by now is not part of an answer that debits nothing."""
    return Spoken(
        object_key=audio.object_key,
        audio_format=audio.audio_format,
        duration_ms=audio.duration_ms,
        size_bytes=audio.size_bytes,
        model=audio.provider_model,
        input_characters=audio.input_characters,
        cost=cost,
        available=None,
        is_cached=charge_id is None,
        charge_id=charge_id,
        audio_file_id=file_id,
    )
