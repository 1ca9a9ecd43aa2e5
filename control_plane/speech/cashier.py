"""
The money side of one generation: hold, then sell or let go. Each is one transaction.

A key of an object is announced with the hold, before its bytes can exist; it becomes known with the
debit. So there is never a debit without audio, nor audio that nobody knows of.
"""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import generation_charges as charges
from billing import ledger, price_book
from billing.errors import AccountFrozen
from billing.generation_charges import TTL_S, ReleaseReason
from billing.price_book import NotPriced
from billing.store.generation_charges import Charge
from control_plane import api_keys
from control_plane.audio.port import AudioFacts
from control_plane.errors import FreeGenerationsUsed, VoiceNotFound
from control_plane.speech import measure
from control_plane.speech.order import Source, Spoken
from control_plane.speech.recipe import Recipe
from control_plane.store import accounts, audio_files, audio_objects, speech_usage, speech_voices
from control_plane.store.audio_files import NewFile
from control_plane.store.audio_objects import NewAudio
from control_plane.store.speech_usage import NewUsage
from control_plane.tts.port import Tokens
from shared.db import Pool, Tx, transaction
from shared.ids import new_uuid

CHARGE_KEY: Final = "speech:"  # told apart in the books by it
ATTEMPTS_MAX: Final = 20  # with one idempotency key; each failed before the next began
# Later than any process may still write the object: a hold lives TTL_S, and a put takes seconds.
ORPHAN_S: Final = TTL_S + 900.0
FREE_GPRO_MAX: Final = 10  # generations of a free account with the dearest model, ever


@dataclass(frozen=True, slots=True)
class Hold:
    charge: Charge
    object_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """Audio that was checked and stored under the key of its hold."""

    facts: AudioFacts
    size_bytes: int
    provider_model: str
    tokens: Tokens | None


class AlreadyCached(Exception):
    """Somebody else's audio of the same digest became known first; nothing was sold."""


def charge_keys(idempotency_key: str | None) -> list[str]:
    """The keys of the attempts of one order; of a single one where the client named none."""
    if idempotency_key is None:
        return [f"{CHARGE_KEY}{new_uuid()}"]
    name = hashlib.sha256(idempotency_key.encode()).hexdigest()
    return [f"{CHARGE_KEY}{name}:{number}" for number in range(1, ATTEMPTS_MAX + 1)]


class Cashier:
    def __init__(self, pool: Pool, *, keep_days: int) -> None:
        self._pool = pool
        self._keep_days = keep_days

    async def hold(self, recipe: Recipe, *, charge_key: str) -> Hold:
        """
        Hold what the order costs at most, and announce its object.

        Raises CannotAfford, NotPriced, AccountFrozen or FreeGenerationsUsed.
        """
        order = recipe.order
        object_key = _object_key(recipe)
        async with transaction(self._pool) as tx:
            if await accounts.is_frozen(tx, order.user_id):
                raise AccountFrozen
            channel = order.source.channel
            priced = await price_book.rate_in_force(
                tx,
                product=recipe.product,
                model=recipe.model.id,
                plan=recipe.plan,
                channel=channel,
            )
            reservation = await charges.reserve(
                tx,
                user_id=order.user_id,
                idempotency_key=charge_key,
                request_sha256=recipe.digest,
                product=recipe.product,
                model=recipe.model.id,
                quantity_max=measure.at_most(priced.rate.unit, recipe.spoken_text),
                channel=channel,
            )
            assert reservation.is_new, "the keys of attempts are looked up before"
            if order.api_key_id is not None:
                await api_keys.take_charge(
                    tx,
                    key_id=order.api_key_id,
                    owner=order.user_id,
                    charge_id=reservation.charge.id,
                )
            await _check_free_limit(tx, recipe)
            await audio_objects.loosen(
                tx,
                object_key=object_key,
                sweep_in_s=ORPHAN_S,
                charge_id=reservation.charge.id,
            )
        return Hold(reservation.charge, object_key)

    async def sell(self, recipe: Recipe, hold: Hold, goods: Goods, *, is_cached: bool) -> Spoken:
        """
        Debit, and make the audio and its place in the history known: all of it or nothing.

        Raises AlreadyCached, ChargeReleased (too late), or VoiceNotFound when the voice was
        disabled meanwhile.
        """
        order = recipe.order
        async with transaction(self._pool) as tx:
            charge = await _settle(tx, recipe, hold.charge, goods)
            if not await speech_voices.hold_usable(tx, order.voice, owner=order.user_id):
                raise VoiceNotFound
            audio = _audio(recipe, hold, goods, is_cached=is_cached, keep_days=self._keep_days)
            if not await audio_objects.insert(tx, audio):
                raise AlreadyCached
            await audio_objects.fasten(tx, hold.object_key)
            file_id = await _remember(tx, recipe, hold, goods, charge)
            balance = await ledger.balance_of(tx, order.user_id)
        return Spoken(
            object_key=hold.object_key,
            audio_format=order.audio_format,
            duration_ms=goods.facts.duration_ms,
            size_bytes=goods.size_bytes,
            model=goods.provider_model,
            input_characters=recipe.input_characters,
            cost=charge.cost,
            available=balance.spendable,
            is_cached=False,
            charge_id=charge.id,
            audio_file_id=file_id,
        )

    async def let_go(self, charge_id: UUID, reason: ReleaseReason) -> Charge:
        """The charge as it is then: one that was sold stays sold."""
        async with transaction(self._pool) as tx:
            return await charges.release(tx, charge_id=charge_id, reason=reason)


async def _check_free_limit(tx: Tx, recipe: Recipe) -> None:
    """Counts this one too; the reservation before it holds the lock of the account."""
    order = recipe.order
    if order.is_paid or order.source is not Source.TTS or recipe.model.id != "gpro":
        return
    used = await speech_usage.count_of_model(tx, owner=order.user_id, voice_model=recipe.model.id)
    if used > FREE_GPRO_MAX:
        raise FreeGenerationsUsed


async def _settle(tx: Tx, recipe: Recipe, charge: Charge, goods: Goods) -> Charge:
    """At the price of the model that did the work, where that has one in the unit of the hold."""
    quantity = measure.delivered(
        charge.unit,
        recipe.spoken_text,
        duration_ms=goods.facts.duration_ms,
        tokens=goods.tokens,
    )
    worker = goods.provider_model
    if worker != recipe.provider_model and worker == recipe.model.fallback_model:
        try:
            return await charges.settle(tx, charge_id=charge.id, quantity=quantity, model=worker)
        except NotPriced:
            pass  # an operator's card without it: the price of what was asked for
    return await charges.settle(tx, charge_id=charge.id, quantity=quantity)


def _object_key(recipe: Recipe) -> str:
    """Of one generation; two of the same order never share an object."""
    name = new_uuid().hex
    return f"speech/{name[-2:]}/{name}.{recipe.order.audio_format}"


def _audio(
    recipe: Recipe, hold: Hold, goods: Goods, *, is_cached: bool, keep_days: int
) -> NewAudio:
    order = recipe.order
    return NewAudio(
        object_key=hold.object_key,
        digest=recipe.digest,
        is_cached=is_cached,
        audio_format=order.audio_format,
        size_bytes=goods.size_bytes,
        facts=goods.facts,
        provider=recipe.model.provider,
        provider_model=goods.provider_model,
        voice_id=order.voice.id,
        voice_version=order.voice.version,
        owner=order.user_id if order.voice.is_own else None,
        input_characters=recipe.input_characters,
        keep_days=keep_days,
    )


async def _remember(tx: Tx, recipe: Recipe, hold: Hold, goods: Goods, charge: Charge) -> UUID:
    """The row of the history and the row of use; the id of the former."""
    order, file_id = recipe.order, new_uuid()
    usage: dict[str, int | str] = {"unit": charge.unit, "quantity": charge.quantity or 0}
    if goods.tokens is not None:
        usage["promptTokens"] = goods.tokens.prompt
        usage["outputTokens"] = goods.tokens.output
        usage["totalTokens"] = goods.tokens.total
    await audio_files.insert(
        tx,
        NewFile(
            id=file_id,
            user_id=order.user_id,
            voice_id=order.voice.id,
            object_key=hold.object_key,
            charge_id=charge.id,
            text_content=order.text,
            model=goods.provider_model,
            source_type=order.source,
            cost=charge.cost,
            duration_ms=goods.facts.duration_ms,
            usage=usage,
            api_key_id=order.api_key_id,
            request_id=order.request_id,
        ),
    )
    is_clone = recipe.model.is_clone
    await speech_usage.insert(
        tx,
        NewUsage(
            charge_id=charge.id,
            user_id=order.user_id,
            source_type=order.source,
            source_id=file_id,
            voice_model=recipe.model.id,
            model=goods.provider_model,
            unit="operation" if is_clone else "chars",
            quantity=1 if is_clone else recipe.input_characters,
            cost=charge.cost,
            input_chars=recipe.input_characters,
            duration_ms=goods.facts.duration_ms,
            api_key_id=order.api_key_id,
            request_id=order.request_id,
        ),
    )
    return file_id
