"""
The end of a job that went well: one recording, stored, and one debit.

Everything that makes the audio known (the debit, the history, the use, the job's own row) is one
transaction behind the lock of the job, so a job that is cancelled meanwhile is not paid.
"""

from typing import Final
from uuid import UUID

from billing import generation_charges as charges
from billing.price_book import NotPriced
from billing.store.generation_charges import Charge
from control_plane.audio.port import Workshop
from control_plane.errors import VoiceNotFound
from control_plane.objects.port import ObjectStore
from control_plane.speech import measure
from control_plane.speech.shielding import seen_through
from control_plane.speech_jobs.assembly import Assembled, assembled
from control_plane.speech_jobs.errors import LeaseLost
from control_plane.speech_jobs.speaking import SpokenJob
from control_plane.store import (
    audio_files,
    audio_objects,
    speech_jobs,
    speech_usage,
    speech_voices,
)
from control_plane.store.audio_files import NewFile
from control_plane.store.audio_objects import NewAudio
from control_plane.store.speech_jobs import Delivery
from control_plane.store.speech_usage import NewUsage
from shared.db import Pool, Tx, transaction
from shared.ids import new_uuid

ORPHAN_S: Final = 3_600.0  # after the charge has ended


class JobDeliverer:
    def __init__(
        self, pool: Pool, workshop: Workshop, objects: ObjectStore, *, keep_days: int
    ) -> None:
        self._pool = pool
        self._workshop = workshop
        self._objects = objects
        self._keep_days = keep_days

    async def deliver(self, spoken: SpokenJob, token: UUID) -> None:
        """Raises LeaseLost, VoiceNotFound, ChargeReleased, StorageAway, ObjectGone, BadAudio."""
        audio_format = spoken.wish.audio_format
        made = await assembled(
            spoken.parts, audio_format, workshop=self._workshop, objects=self._objects
        )
        name = new_uuid().hex
        object_key = f"speech/{name[-2:]}/{name}.{audio_format}"
        async with transaction(self._pool) as tx:
            await audio_objects.loosen(
                tx, object_key=object_key, charge_id=spoken.job.charge_id, sweep_in_s=ORPHAN_S
            )
        await self._objects.put(object_key, made.data, media_type=audio_format.media_type)
        await seen_through(self._sell(spoken, token, made, object_key))

    async def _sell(self, spoken: SpokenJob, token: UUID, made: Assembled, object_key: str) -> None:
        job = spoken.job
        async with transaction(self._pool) as tx:
            if not await speech_jobs.lock(tx, job_id=job.id, token=token):
                raise LeaseLost
            charge = await _settle(tx, spoken, made)
            if not await speech_voices.hold_usable(tx, spoken.voice, owner=job.user_id):
                raise VoiceNotFound
            audio = _audio(spoken, made, object_key, keep_days=self._keep_days)
            assert await audio_objects.insert(tx, audio), "it is not for the cache"
            await audio_objects.fasten(tx, object_key)
            delivery = Delivery(
                audio_file_id=new_uuid(),
                object_key=object_key,
                duration_ms=made.facts.duration_ms,
                size_bytes=len(made.data),
                provider_model=provider_model_of(spoken),
                cost=charge.cost,
            )
            await audio_files.insert(tx, _file(spoken, charge, delivery))
            await speech_usage.insert(tx, _usage(spoken, charge, delivery))
            await speech_jobs.succeed(tx, job_id=job.id, delivery=delivery)


def provider_model_of(spoken: SpokenJob) -> str:
    """The one that spoke every piece; the one that was asked for when there were several."""
    models = {part.provider_model for part in spoken.parts}
    if len(models) == 1:
        return models.pop() or spoken.recipe.provider_model
    return spoken.recipe.provider_model


async def _settle(tx: Tx, spoken: SpokenJob, made: Assembled) -> Charge:
    """For the whole text where it decides, else for what was counted piece by piece."""
    recipe, unit = spoken.recipe, spoken.unit
    if unit == "character":
        quantity = measure.delivered(
            unit, recipe.spoken_text, duration_ms=made.facts.duration_ms, tokens=None
        )
    else:
        quantity = sum(part.quantity or 0 for part in spoken.parts)
    model = provider_model_of(spoken)
    if model not in {recipe.provider_model, recipe.model.id}:
        try:
            return await charges.settle(
                tx, charge_id=spoken.job.charge_id, quantity=quantity, model=model
            )
        except NotPriced:
            pass  # an operator's card without it: the price of what was asked for
    return await charges.settle(tx, charge_id=spoken.job.charge_id, quantity=quantity)


def _audio(spoken: SpokenJob, made: Assembled, object_key: str, *, keep_days: int) -> NewAudio:
    return NewAudio(
        object_key=object_key,
        digest=spoken.recipe.digest,
        is_cached=False,
        audio_format=spoken.wish.audio_format,
        size_bytes=len(made.data),
        facts=made.facts,
        provider=spoken.recipe.model.provider,
        provider_model=provider_model_of(spoken),
        voice_id=spoken.voice.id,
        voice_version=spoken.voice.version,
        owner=spoken.job.user_id if spoken.voice.is_own else None,
        input_characters=spoken.recipe.input_characters,
        keep_days=keep_days,
    )


def _file(spoken: SpokenJob, charge: Charge, delivery: Delivery) -> NewFile:
    job = spoken.job
    return NewFile(
        id=delivery.audio_file_id,
        user_id=job.user_id,
        voice_id=spoken.voice.id,
        object_key=delivery.object_key,
        charge_id=job.charge_id,
        text_content=job.text,
        model=delivery.provider_model,
        source_type=spoken.wish.source,
        cost=charge.cost,
        duration_ms=delivery.duration_ms,
        usage={"unit": charge.unit, "quantity": charge.quantity or 0, "parts": len(spoken.parts)},
        api_key_id=job.api_key_id,
        request_id=job.request_id,
    )


def _usage(spoken: SpokenJob, charge: Charge, delivery: Delivery) -> NewUsage:
    job, is_clone = spoken.job, spoken.recipe.model.is_clone
    return NewUsage(
        charge_id=job.charge_id,
        user_id=job.user_id,
        source_type=spoken.wish.source,
        source_id=delivery.audio_file_id,
        voice_model=spoken.recipe.model.id,
        model=delivery.provider_model,
        unit="operation" if is_clone else "chars",
        quantity=1 if is_clone else spoken.recipe.input_characters,
        cost=charge.cost,
        input_chars=spoken.recipe.input_characters,
        duration_ms=delivery.duration_ms,
        api_key_id=job.api_key_id,
        request_id=job.request_id,
    )
