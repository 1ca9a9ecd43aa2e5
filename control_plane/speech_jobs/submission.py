"""
Takes jobs in and takes them back: a job exists together with the hold for its whole text, or not.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

from billing import generation_charges as charges
from billing import price_book
from billing.generation_charges import ReleaseReason, Reservation
from control_plane import api_keys
from control_plane.api_keys import ApiCaller
from control_plane.program_orders import ProgramOrder, ProgramWish, order_of
from control_plane.speech import measure
from control_plane.speech.long_text import cut, is_speakable
from control_plane.speech.recipe import Recipe, recipe_of
from control_plane.speech_jobs.errors import JobEnded, JobNotFound, TooManyJobs
from control_plane.speech_jobs.settings import SpeechJobSettings
from control_plane.speech_jobs.wish import JobWish
from control_plane.store import speech_jobs as store
from control_plane.store.speech_jobs import Job, NewJob
from control_plane.tts.catalog import SpeechModel, styled_text
from control_plane.tts.port import InputTooLong
from control_plane.tts.studio import Studio
from shared.db import Pool, Tx, transaction
from shared.errors import Invalid
from shared.ids import new_uuid

HOLD_S: Final = charges.TTL_S_MAX
DEADLINE_S: Final = HOLD_S - 1_800  # its hold must outlive whatever a worker is doing then
# Short pieces are repeated cheaply, speak side by side and move the progress; longer ones sound a
# little more of one breath. Half a minute of speech.
PIECE_CHARS_MAX: Final = 500
PIECE_CHARS_MIN: Final = 100  # less room than this beside the style makes nonsense of a text
CHARGE_KEY: Final = "speech:job:"  # "speech:", so that the books demand its usage


async def submit(
    pool: Pool,
    studio: Studio,
    caller: ApiCaller,
    wish: ProgramWish,
    *,
    settings: SpeechJobSettings,
    charge_key: str,
) -> Job:
    """
    A queued job, its credit held. The job made before with this `charge_key`, where there is one.

    Raises what `order_of` raises, CannotAfford, KeyQuotaExceeded, NotPriced, Invalid, TooManyJobs.
    """
    program = await order_of(pool, studio, caller, replace(wish, any_length=True, any_format=True))
    pieces = _pieces(program)
    recipe = recipe_of(program.order)
    job_id = new_uuid()
    async with transaction(pool) as tx:
        held = await _hold(tx, charge_key, recipe, pieces)
        charge_id = held.charge.id
        if not held.is_new:
            return await _job_of_charge(tx, charge_id, caller.user_id)
        # Behind the lock of the account that the hold took, so that many at once are counted.
        if await store.count_open(tx, caller.user_id) >= settings.speech_jobs_open_max:
            raise TooManyJobs
        await api_keys.take_charge(
            tx, key_id=caller.api_key_id, owner=caller.user_id, charge_id=charge_id
        )
        await store.insert(tx, _new_job(job_id, charge_id, recipe, pieces))
        return await _job(tx, job_id, caller.user_id)


async def cancel(pool: Pool, caller: ApiCaller, job_id: UUID) -> Job:
    """
    The job as it is then: cancelled, its hold returned. A cancelled one stays as it is.

    Raises JobNotFound, or JobEnded for one that succeeded or failed.
    """
    async with transaction(pool) as tx:
        charge_id = await store.cancel(tx, job_id=job_id, owner=caller.user_id)
        if charge_id is not None:
            await charges.release(tx, charge_id=charge_id, reason=ReleaseReason.CANCELLED)
        job = await _job(tx, job_id, caller.user_id)
    if job.state != "cancelled":
        raise JobEnded
    return job


async def _hold(tx: Tx, charge_key: str, recipe: Recipe, pieces: list[str]) -> Reservation:
    order, model = recipe.order, recipe.model
    rate = await price_book.rate_in_force(
        tx,
        product=recipe.product,
        model=model.id,
        plan=recipe.plan,
        channel=order.source.channel,
    )
    return await charges.reserve(
        tx,
        user_id=order.user_id,
        idempotency_key=f"{CHARGE_KEY}{charge_key}",
        request_sha256=recipe.digest,
        product=recipe.product,
        model=model.id,
        channel=order.source.channel,
        quantity_max=quantity_held(rate.rate.unit, recipe, pieces),
        ttl_s=HOLD_S,
    )


def quantity_held(unit: str, recipe: Recipe, pieces: list[str]) -> int:
    """What the whole text is at most. A style that is read with each piece counts with each."""
    if unit == "character":
        return measure.at_most(unit, recipe.spoken_text)
    style = recipe.order.style
    spoken = [styled_text(recipe.model, piece, style) for piece in pieces if is_speakable(piece)]
    return sum(measure.at_most(unit, text) for text in spoken)


def _pieces(program: ProgramOrder) -> list[str]:
    """Raises Invalid when there is nothing to say, InputTooLong when the style leaves no room."""
    order = program.order
    if not is_speakable(order.text):
        raise Invalid("The input has nothing that can be spoken", param="input")
    return cut(order.text, limit=piece_limit(program.model, order.style, is_paid=order.is_paid))


def piece_limit(model: SpeechModel, style: str | None, *, is_paid: bool) -> int:
    """Characters of one piece. Raises InputTooLong when the style leaves too few."""
    style_limit = model.style_chars_max(is_paid=is_paid)
    room = model.chars_max(is_paid=is_paid) - len(styled_text(model, "", style))
    if (style and style_limit and len(style) > style_limit) or room < PIECE_CHARS_MIN:
        raise InputTooLong("The style is too long for this voice", param="style")
    return min(room, PIECE_CHARS_MAX)


def _new_job(job_id: UUID, charge_id: UUID, recipe: Recipe, pieces: list[str]) -> NewJob:
    order = recipe.order
    cuts = []
    end = 0
    for piece in pieces:
        end += len(piece)
        cuts.append(end)
    assert end == len(order.text), "the pieces are the text"
    return NewJob(
        id=job_id,
        user_id=order.user_id,
        api_key_id=order.api_key_id,
        request_id=order.request_id,
        charge_id=charge_id,
        voice_id=order.voice.id,
        voice_version=order.voice.version,
        wish=JobWish.of(order, recipe.model).to_row(),
        text=order.text,
        input_characters=recipe.input_characters,
        cuts=cuts,
        time_s=DEADLINE_S,
    )


async def _job(tx: Tx, job_id: UUID, owner: UUID) -> Job:
    job = await store.find(tx, job_id=job_id, owner=owner)
    if job is None:
        raise JobNotFound
    return job


async def _job_of_charge(tx: Tx, charge_id: UUID, owner: UUID) -> Job:
    job = await store.find_by_charge(tx, charge_id=charge_id, owner=owner)
    assert job is not None, "they were made in one transaction"
    return job
