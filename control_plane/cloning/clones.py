"""
A voice made from a recording, with the consent of whose voice it is.

Each step is its own: look (one transaction), decode and store the recording (none), write the voice
down (one). The object is announced before it is written, so a crash leaves nothing for good; the
consent is looked at again, under the account's lock, when the voice is written down.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import ledger, price_book
from billing.errors import AccountFrozen
from billing.features import features_of
from billing.money import to_credits
from billing.price_book import NotPriced
from control_plane.cloning import engines, recordings
from control_plane.cloning.engines import CloneRules, length_utf16
from control_plane.cloning.errors import CloneRefusal
from control_plane.cloning.upload import UploadedFile
from control_plane.cloning.withdrawal import drop_objects
from control_plane.services import Services
from control_plane.speech.order import SpeechVoice
from control_plane.store import accounts, audio_objects, clones, consents
from control_plane.store.clones import Clone, Origin
from control_plane.store.consents import Standing
from shared.db import Tx, transaction
from shared.ids import new_uuid, uuid_or_none

CLONES_PER_CONSENT_MAX: Final = 20  # recordings kept at a time
DEMO_CLONES_MAX: Final = 200  # of an account of the local stack, which gives no consent
UNWRITTEN_SWEEP_S: Final = 3_600.0  # storing a recording takes less, or it never ends
DESCRIPTION: Final = "cloned voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneWish:
    """A checked form. `consent_id` is None where the demo mode allows that."""

    user_id: UUID
    text: str
    locale: str
    rules: CloneRules
    model: str
    consent_id: UUID | None
    recording_sha256: str  # of the file, which nobody keeps while the voice speaks
    is_paid: bool

    @property
    def origin(self) -> Origin:
        return Origin(
            owner=self.user_id,
            consent_id=self.consent_id,
            recording_sha256=self.recording_sha256,
            model=self.model,
            language=engines.language_of(self.locale),
        )


async def check(
    services: Services,
    user_id: UUID,
    *,
    text: str,
    locale: str,
    file: UploadedFile,
    consent: str | None,
    is_offered: Callable[[str], bool],
) -> CloneWish:
    """The checks that need no decoding, in upstream's order. Raises CloneRefusal, AccountFrozen."""
    recordings.check_file(file)
    rules = engines.rules_of(locale)
    async with transaction(services.pool) as tx:
        if await accounts.is_frozen(tx, user_id):
            raise AccountFrozen
        is_paid = (await ledger.balance_of(tx, user_id)).paid
        features = await features_of(tx, user_id)
        chars_max = rules.chars_max(is_paid=features.longer_texts)
        if length_utf16(text) > chars_max:
            raise CloneRefusal(
                "errors.textTooLong",
                f"The text is longer than {chars_max} characters",
                MAX=chars_max,
            )
        consent_id = await _consent(tx, services, user_id, consent)
    return CloneWish(
        user_id=user_id,
        text=text,
        locale=locale,
        rules=rules,
        model=engines.engine_for(rules, is_offered),
        consent_id=consent_id,
        recording_sha256=hashlib.sha256(file.data).hexdigest(),
        is_paid=is_paid,
    )


async def voice_for(services: Services, wish: CloneWish, file: UploadedFile) -> SpeechVoice:
    """
    The voice of this recording: the one it made before, or a new one.

    Raises CloneRefusal, BadAudio's kin as CloneRefusal, StorageAway and Unavailable.
    """
    async with transaction(services.pool) as tx:
        known = await clones.find_live(tx, wish.origin)
        if known is None:
            await _check_room(tx, wish)
            await _check_credit(tx, wish)
    if known is None:
        wav = await recordings.prepare(services.workshop, file, wish.rules)
        known = await _store(services, wish, wav)
    return SpeechVoice(
        id=known.id,
        name=known.name,
        model=known.model,
        language=known.language,
        version=known.version,
        is_own=True,
        reference_key=known.reference_key,
    )


async def _store(services: Services, wish: CloneWish, wav: bytes) -> Clone:
    voice_id = new_uuid()
    clone = Clone(
        id=voice_id,
        name=f"clone-{voice_id.hex[-8:]}",
        model=wish.model,
        language=wish.origin.language,
        version=1,
        reference_key=recordings.object_key_of(voice_id, wav),
    )
    async with transaction(services.pool) as tx:
        await audio_objects.loosen(tx, object_key=clone.reference_key, sweep_in_s=UNWRITTEN_SWEEP_S)
    await services.objects.put(clone.reference_key, wav, media_type="audio/wav")
    async with transaction(services.pool) as tx:
        await consents.lock_account(tx, wish.user_id)
        await _still_allowed(tx, wish)
        winner = await clones.find_live(tx, wish.origin)
        if winner is None:
            days = services.settings.clone_reference_days
            await clones.insert(
                tx, clone, wish.origin, description=DESCRIPTION, reference_days=days
            )
            await audio_objects.fasten(tx, clone.reference_key)
            return clone
    # Another request with the same recording was faster; ours is swept if this does not succeed.
    await drop_objects(services.pool, services.objects, [clone.reference_key])
    return winner


async def _consent(tx: Tx, services: Services, user_id: UUID, consent: str | None) -> UUID | None:
    """The consent that was sent; None in demo mode. Raises CloneRefusal with what is missing."""
    if not consent:
        if services.settings.local_dev:
            return None
        raise consent_required("no_consent", "Send consentId, the id of a consent")
    consent_id = uuid_or_none(consent)
    if consent_id is None:
        raise consent_required("unknown_consent", "There is no such consent")
    _check_standing(await consents.standing_of(tx, consent_id, owner=user_id))
    return consent_id


async def _still_allowed(tx: Tx, wish: CloneWish) -> None:
    if wish.consent_id is not None:
        _check_standing(await consents.standing_of(tx, wish.consent_id, owner=wish.user_id))


def _check_standing(standing: Standing | None) -> None:
    if standing is None:
        raise consent_required("unknown_consent", "There is no such consent")
    if standing.is_revoked:
        raise consent_required("revoked_consent", "This consent was withdrawn")
    if not standing.is_in_time:
        raise consent_required("expired_consent", "This consent has expired")


def consent_required(missing: str, what: str) -> CloneRefusal:
    """403 that says what is missing and where to get it."""
    return CloneRefusal(
        "errors.consentRequired",
        f"{what}. A voice is cloned only with the consent of the person whose voice it is: begin "
        "one with POST /api/consents and send a recording of its phrase",
        status=403,
        missing=missing,
        begin="POST /api/consents",
        record="POST /api/consents/{id}/recording",
        field="consentId",
    )


async def _check_room(tx: Tx, wish: CloneWish) -> None:
    limit = DEMO_CLONES_MAX if wish.consent_id is None else CLONES_PER_CONSENT_MAX
    if await clones.count_live(tx, owner=wish.user_id, consent_id=wish.consent_id) >= limit:
        raise CloneRefusal(
            "errors.tooManyClones",
            f"At most {limit} voices can be made with one consent at a time; delete one first",
            status=409,
            MAX=limit,
        )


async def _check_credit(tx: Tx, wish: CloneWish) -> None:
    """Before the recording is decoded; the desk holds the credit, this is only a courtesy."""
    plan = price_book.plan_of(paid=wish.is_paid)
    try:
        estimate = await price_book.estimate(
            tx,
            product="clone",
            model=wish.model,
            plan=plan,
            channel="web",
            unit="character",
            quantity=max(1, len(wish.text)),
        )
    except NotPriced:  # by another unit: the desk knows
        return
    available = (await ledger.visit(tx, wish.user_id)).spendable
    if available < estimate.cost:
        raise insufficient_credits(needed=estimate.cost, available=available)


def insufficient_credits(*, needed: int, available: int) -> CloneRefusal:
    """Both in micro-credits."""
    return CloneRefusal(
        "errors.insufficientCredits",
        f"Insufficient credits. You need {to_credits(needed)} credits to clone this audio",
        status=402,
        CREDITS=to_credits(needed),
        currentCredits=to_credits(available),
    )
