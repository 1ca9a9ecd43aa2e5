"""
The record of consents of one account: entries that each contain the hash of the one before. Pure.

An entry is a canonical JSON text (`billing/canonical_json.py`); its hash is the SHA-256 of that
text. Whoever changes, removes or reorders an entry breaks the chain from there on. What a chain
alone cannot show is that its newest entries are missing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from billing import canonical_json
from billing.canonical_json import NotCanonical
from control_plane.cloning.statements import Whose

VERSION: Final = 1
GENESIS_HASH: Final = "0" * 64
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class EntryKind(StrEnum):
    GIVEN = "given"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was said, heard and from where. `speaker_statement` is "" for one's own voice."""

    whose: Whose
    speaker_statement: str
    statement_version: int
    statement_sha256: str
    phrase: str
    recording_sha256: str
    heard: str
    match_percent: int
    address: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """Where an entry stands: `sequence` counts from 1 in each account."""

    user_id: UUID
    sequence: int
    previous_hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the record, as stored. The columns beside `body` repeat what it says."""

    user_id: UUID
    sequence: int
    kind: str
    consent_id: UUID
    body: str
    hash: str
    previous_hash: str


def given_body(link: Link, *, consent_id: UUID, at: datetime, given: Given) -> str:
    """The text of a consent."""
    facts = {
        "whose": given.whose.value,
        "speaker_statement": given.speaker_statement,
        "statement_version": given.statement_version,
        "statement_sha256": given.statement_sha256,
        "phrase": given.phrase,
        "recording_sha256": given.recording_sha256,
        "heard": given.heard,
        "match_percent": given.match_percent,
        "address": given.address,
        "expires_at": _time(given.expires_at),
    }
    return _body(link, EntryKind.GIVEN, consent_id=consent_id, at=at, facts=facts)


def revoked_body(link: Link, *, consent_id: UUID, at: datetime, address: str) -> str:
    """The text of a withdrawal."""
    return _body(link, EntryKind.REVOKED, consent_id=consent_id, at=at, facts={"address": address})


def hash_of(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def chain_problems(entries: Iterable[Entry]) -> Iterator[str]:
    """What is wrong with an account's entries, given in their order; nothing when all is well."""
    previous_hash = GENESIS_HASH
    for number, entry in enumerate(entries, start=1):
        where = f"entry {number}"
        if entry.sequence != number:
            yield f"{where}: its sequence is {entry.sequence}"
        if entry.previous_hash != previous_hash:
            yield f"{where}: it does not follow the entry before it"
        if hash_of(entry.body) != entry.hash:
            yield f"{where}: the hash is not the SHA-256 of the body"
        if _claims(entry.body) != _claimed(entry):
            yield f"{where}: the body says something else than its row"
        previous_hash = entry.hash


def _body(
    link: Link, kind: EntryKind, *, consent_id: UUID, at: datetime, facts: dict[str, Any]
) -> str:
    place = {
        "version": VERSION,
        "account_id": str(link.user_id),
        "sequence": link.sequence,
        "previous_hash": link.previous_hash,
        "kind": kind.value,
        "consent_id": str(consent_id),
        "at": _time(at),
    }
    return canonical_json.encode({**place, **facts})


_PLACE: Final = ("account_id", "sequence", "previous_hash", "kind", "consent_id")


def _claims(body: str) -> tuple[object, ...] | None:
    try:
        said = canonical_json.decode(body)
    except NotCanonical:
        return None
    return tuple(said.get(name) for name in _PLACE) if isinstance(said, dict) else None


def _claimed(entry: Entry) -> tuple[object, ...]:
    user_id, consent_id = str(entry.user_id), str(entry.consent_id)
    return (user_id, entry.sequence, entry.previous_hash, entry.kind, consent_id)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_TIME_FORMAT)
