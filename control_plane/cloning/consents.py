"""
Consent to be cloned, from the phrase to its withdrawal.

    begin    -> a phrase nobody could foresee, and what is agreed to by reading it
    record   -> the recording is decoded, recognised and compared; a match becomes an entry
    withdraw -> another entry; voices are disabled and their audio goes, in the same transaction

The recording is never stored. Recognition runs between two transactions, on an attempt that was
counted before it, so that nobody gets more guesses by asking in parallel.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from billing.errors import AccountFrozen
from control_plane.audio.port import AudioFormat, BadAudio
from control_plane.cloning import chain
from control_plane.cloning.chain import Entry, EntryKind, Given, Link
from control_plane.cloning.errors import (
    ConsentEnded,
    ConsentGiven,
    ConsentNotFound,
    PhraseNotHeard,
    RecordingRefused,
    TooManyConsents,
)
from control_plane.cloning.phrases import is_match, match_percent, new_phrase
from control_plane.cloning.statements import STATEMENT_VERSION, Whose, statement_sha256
from control_plane.cloning.withdrawal import drop_objects, retire_voices
from control_plane.services import Services
from control_plane.store import accounts, clones, consents
from control_plane.store.consents import Challenge
from shared.db import Tx, transaction
from shared.errors import Unavailable
from shared.ids import new_uuid

CHALLENGE_S: Final = 15 * 60  # time to read a page and to find a quiet room
ATTEMPTS_MAX: Final = 5
OPEN_CHALLENGES_MAX: Final = 10  # of one account
RECORDING_S_MIN: Final = 1.5  # eleven words take four seconds
RECORDING_S_MAX: Final = 30.0
ENTRIES_MAX: Final = 2_000  # of one account in one answer
ADDRESS_CHARS_MAX: Final = 64  # an IPv6 address with its zone


@dataclass(frozen=True, slots=True)
class BegunConsent:
    """Wait for a recording of `phrase` until `expires_at`."""

    id: UUID
    whose: Whose
    phrase: str
    statement_version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WithdrawnConsent:
    """What became of the voices; audio already downloaded is nobody's to delete."""

    voices_disabled: int
    objects_deleted: int


async def begin(
    services: Services, user_id: UUID, *, whose: Whose, speaker_statement: str
) -> BegunConsent:
    """Raises TooManyConsents or AccountFrozen. `speaker_statement` is "" for one's own voice."""
    challenge = Challenge(
        id=new_uuid(),
        whose=whose.value,
        speaker_statement=speaker_statement,
        statement_version=STATEMENT_VERSION,
        phrase=new_phrase(),
    )
    async with transaction(services.pool) as tx:
        if await accounts.is_frozen(tx, user_id):
            raise AccountFrozen
        await consents.lock_account(tx, user_id)
        if await consents.count_open(tx, user_id) >= OPEN_CHALLENGES_MAX:
            raise TooManyConsents
        expires_at = await consents.insert_challenge(
            tx, challenge, owner=user_id, ttl_s=CHALLENGE_S
        )
    return BegunConsent(challenge.id, whose, challenge.phrase, STATEMENT_VERSION, expires_at)


async def record(
    services: Services,
    user_id: UUID,
    consent_id: UUID,
    *,
    recording: bytes,
    media_type: str,
    address: str,
) -> Entry:
    """
    The consent's entry, when the phrase was read.

    Raises ConsentNotFound, ConsentEnded, ConsentGiven, RecordingRefused, PhraseNotHeard, and
    Unavailable: that one costs no attempt.
    """
    async with transaction(services.pool) as tx:
        challenge = await _take_attempt(tx, consent_id, user_id)
    try:
        heard = await _hear(services, recording, media_type)
    except Unavailable:
        async with transaction(services.pool) as tx:
            await consents.give_back_attempt(tx, consent_id, owner=user_id)
        raise
    percent = match_percent(challenge.phrase, heard)
    if not is_match(percent):
        raise PhraseNotHeard(details=f"{percent}% of the phrase was recognised")
    async with transaction(services.pool) as tx:
        return await _write_down(
            tx,
            services,
            user_id,
            challenge,
            heard=heard,
            percent=percent,
            recording_sha256=hashlib.sha256(recording).hexdigest(),
            address=address[:ADDRESS_CHARS_MAX],
        )


async def withdraw(
    services: Services, user_id: UUID, consent_id: UUID, *, address: str
) -> WithdrawnConsent:
    """Once; a second time changes nothing. Raises ConsentNotFound."""
    async with transaction(services.pool) as tx:
        await consents.lock_account(tx, user_id)
        standing = await consents.standing_of(tx, consent_id, owner=user_id)
        if standing is None:
            raise ConsentNotFound
        if standing.is_revoked:
            return WithdrawnConsent(0, 0)
        await append_withdrawal(tx, user_id, consent_id, address=address[:ADDRESS_CHARS_MAX])
        voices = await clones.lock_voices_of_consent(tx, owner=user_id, consent_id=consent_id)
        keys = await retire_voices(tx, voices, reason="revoked", purge_audio=True)
    await drop_objects(services.pool, services.objects, keys)
    return WithdrawnConsent(len(voices), len(keys))


async def entries_of(services: Services, user_id: UUID) -> list[Entry]:
    """The account's whole record, oldest first."""
    async with transaction(services.pool) as tx:
        return await consents.list_entries(tx, user_id, limit=ENTRIES_MAX)


async def _take_attempt(tx: Tx, consent_id: UUID, user_id: UUID) -> Challenge:
    challenge = await consents.take_attempt(
        tx, consent_id, owner=user_id, attempts_max=ATTEMPTS_MAX
    )
    if challenge is not None:
        return challenge
    if await consents.standing_of(tx, consent_id, owner=user_id) is not None:
        raise ConsentGiven
    if await consents.has_challenge(tx, consent_id, owner=user_id):
        raise ConsentEnded
    raise ConsentNotFound


async def _hear(services: Services, recording: bytes, media_type: str) -> str:
    try:
        decoded = await services.workshop.decode(
            recording, media_type=media_type, max_s=RECORDING_S_MAX
        )
    except BadAudio as error:
        raise RecordingRefused(details=error.message) from None
    if decoded.facts.duration_ms < 1000 * RECORDING_S_MIN:
        raise RecordingRefused(details=f"it is shorter than {RECORDING_S_MIN} seconds")
    if not decoded.facts.voiced_ms:
        raise RecordingRefused(details="it is silent")
    wav = await services.workshop.encode(decoded.pcm, AudioFormat.WAV)
    return await services.recognition.words_of(wav)


async def _write_down(
    tx: Tx,
    services: Services,
    user_id: UUID,
    challenge: Challenge,
    *,
    heard: str,
    percent: int,
    recording_sha256: str,
    address: str,
) -> Entry:
    await consents.lock_account(tx, user_id)
    if not await consents.delete_challenge(tx, challenge.id, owner=user_id):
        raise ConsentGiven  # another request with a recording was faster
    end = await consents.chain_end(tx, user_id)
    whose = Whose(challenge.whose)
    given = Given(
        whose=whose,
        speaker_statement=challenge.speaker_statement,
        statement_version=challenge.statement_version,
        statement_sha256=statement_sha256(whose, challenge.statement_version),
        phrase=challenge.phrase,
        recording_sha256=recording_sha256,
        heard=heard,
        match_percent=percent,
        address=address,
        expires_at=end.now + timedelta(days=services.settings.consent_days),
    )
    link = Link(user_id, end.sequence + 1, end.hash or chain.GENESIS_HASH)
    body = chain.given_body(link, consent_id=challenge.id, at=end.now, given=given)
    entry = _entry(link, EntryKind.GIVEN, consent_id=challenge.id, body=body)
    await consents.append(tx, entry, at=end.now, expires_at=given.expires_at)
    return entry


async def append_withdrawal(tx: Tx, user_id: UUID, consent_id: UUID, *, address: str) -> None:
    """The entry alone, under the account's lock: voices are `withdraw`'s."""
    end = await consents.chain_end(tx, user_id)
    link = Link(user_id, end.sequence + 1, end.hash or chain.GENESIS_HASH)
    body = chain.revoked_body(link, consent_id=consent_id, at=end.now, address=address)
    entry = _entry(link, EntryKind.REVOKED, consent_id=consent_id, body=body)
    await consents.append(tx, entry, at=end.now)


def _entry(link: Link, kind: EntryKind, *, consent_id: UUID, body: str) -> Entry:
    return Entry(
        user_id=link.user_id,
        sequence=link.sequence,
        kind=kind.value,
        consent_id=consent_id,
        body=body,
        hash=chain.hash_of(body),
        previous_hash=link.previous_hash,
    )
