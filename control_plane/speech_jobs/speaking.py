"""
Speaks the pieces of a job, a few at a time, and keeps each as soon as it is there.

A kept piece is never spoken again, whoever works on the job. Its object is announced before it is
written and swept once the charge of the job has ended, so nothing is left behind by a crash.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

from billing import generation_charges as charges
from control_plane.audio.port import AudioFormat
from control_plane.errors import VoiceNotFound
from control_plane.objects.port import ObjectStore
from control_plane.speech import measure
from control_plane.speech.long_text import is_speakable
from control_plane.speech.order import SpeechVoice
from control_plane.speech.production import Take
from control_plane.speech.recipe import Recipe, recipe_of
from control_plane.speech_jobs.errors import LeaseLost
from control_plane.speech_jobs.wish import JobWish
from control_plane.store import audio_objects, speech_jobs, speech_voices
from control_plane.store.speech_jobs import Part, TakenJob
from shared.db import Pool, transaction
from shared.errors import AppError, Unavailable
from shared.ids import new_uuid
from shared.log import get_logger

log = get_logger(__name__)

# The studio tries again and elsewhere by itself; this is for trouble that lasts half a minute.
PIECE_TRIES: Final = 4
PIECE_PAUSE_S: Final = 5.0  # before the second try, twice as long before the third ...
PIECE_PAUSE_S_MAX: Final = 60.0
PIECE_KEEP_S: Final = 3_600.0  # after the charge has ended, at most; the sweep comes soon after it


class Maker(Protocol):
    """`speech/production.py`, as far as it is needed here."""

    async def make(self, recipe: Recipe) -> Take: ...


@dataclass(frozen=True, slots=True)
class SpokenJob:
    """A job with all its pieces spoken; `parts` in their order, the silent ones left out."""

    job: TakenJob
    wish: JobWish
    voice: SpeechVoice
    recipe: Recipe
    unit: str
    parts: list[Part]


class PieceSpeaker:
    def __init__(
        self, pool: Pool, maker: Maker, objects: ObjectStore, *, parts_at_once: int
    ) -> None:
        self._pool = pool
        self._maker = maker
        self._objects = objects
        self._parts_at_once = parts_at_once

    async def spoken(self, job: TakenJob, token: UUID) -> SpokenJob:
        """
        Speak what is missing.

        Raises LeaseLost, VoiceNotFound when the voice is no more what it was, and what the maker
        raises for one piece: the others are given up then.
        """
        wish = JobWish.from_row(job.wish)
        async with transaction(self._pool) as tx:
            speaker = await speech_voices.find(tx, voice_id=UUID(wish.voice_id), owner=job.user_id)
            unit = (await charges.find(tx, job.charge_id)).unit
            parts = await speech_jobs.parts(tx, job.id)
        voice = speaker.voice if speaker else None
        if voice is None or not wish.is_for(voice, version=job.voice_version):
            raise VoiceNotFound
        places = asyncio.Semaphore(self._parts_at_once)

        async def speak(part: Part) -> Part:
            async with places:
                piece = job.text[part.starts_at : part.ends_at]
                if part.object_key or not is_speakable(piece):
                    return part
                await self._check_voice(job, voice)
                recipe = recipe_of(
                    replace(wish.order(job, voice, piece), audio_format=AudioFormat.PCM)
                )
                take = await self._made(recipe)
                stored = await self._stored(job, part, take)
                counted = replace(stored, quantity=_quantity(unit, recipe, take))
                return await self._remember(job, token, counted)

        spoken = await _all_or_first_error([speak(part) for part in parts])
        whole = recipe_of(wish.order(job, voice, job.text))
        return SpokenJob(
            job, wish, voice, whole, unit, [part for part in spoken if part.object_key]
        )

    async def _check_voice(self, job: TakenJob, voice: SpeechVoice) -> None:
        """Raises VoiceNotFound: a consent may be withdrawn between two pieces."""
        async with transaction(self._pool) as tx:
            if not await speech_voices.hold_usable(tx, voice, owner=job.user_id):
                raise VoiceNotFound

    async def _made(self, recipe: Recipe) -> Take:
        pause_s = PIECE_PAUSE_S
        for attempt in range(1, PIECE_TRIES + 1):
            try:
                return await self._maker.make(recipe)
            except AppError as error:
                if not error.retryable or attempt == PIECE_TRIES:
                    raise
                log.warning("speech_job_piece_waits", code=error.code, attempt=attempt)
                wanted_s = error.retry_after_s if isinstance(error, Unavailable) else 0
            await asyncio.sleep(min(max(pause_s, wanted_s), PIECE_PAUSE_S_MAX))
            pause_s *= 2
        raise AssertionError("the last try returns or raises")

    async def _stored(self, job: TakenJob, part: Part, take: Take) -> Part:
        """The part with its audio, announced before it is written."""
        object_key = f"speech-jobs/{job.id}/{part.number}-{new_uuid().hex}.pcm"
        async with transaction(self._pool) as tx:
            await audio_objects.loosen(
                tx, object_key=object_key, charge_id=job.charge_id, sweep_in_s=PIECE_KEEP_S
            )
        pcm = take.recording.pcm
        await self._objects.put(object_key, pcm, media_type=AudioFormat.PCM.media_type)
        return replace(
            part,
            object_key=object_key,
            duration_ms=take.recording.facts.duration_ms,
            provider_model=take.provider_model,
        )

    async def _remember(self, job: TakenJob, token: UUID, part: Part) -> Part:
        """Raises LeaseLost."""
        async with transaction(self._pool) as tx:
            if not await speech_jobs.part_done(tx, job_id=job.id, token=token, part=part):
                raise LeaseLost
        return part


def _quantity(unit: str, recipe: Recipe, take: Take) -> int:
    return measure.delivered(
        unit,
        recipe.spoken_text,
        duration_ms=take.recording.facts.duration_ms,
        tokens=take.tokens,
    )


async def _all_or_first_error(work: Iterable[Coroutine[Any, Any, Part]]) -> list[Part]:
    """The results in order; the first error ends the rest."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
