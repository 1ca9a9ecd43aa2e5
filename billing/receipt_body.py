"""
What a receipt says, pure: facts in, the signed text out.

It names no person and quotes nobody: an account is its uuid, a call is its times, seconds and
money. So it stays true, and may be kept, after the transcript and the profile are erased.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from billing import canonical_json
from shared.end_reasons import ENDINGS, EndReason

VERSION: Final = 1
CALL: Final = "call"
GENESIS_HASH: Final = "0" * 64  # what stands for the previous receipt in the first of an account
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
CALL_FORMULA: Final = (
    "cost = billed seconds x price per minute / 60, rounded up once to a whole micro-credit; "
    "a segment costs the cost up to its end less the cost up to its start; "
    "1 credit = 1000000 micro-credits"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receipt stands in the chain of its account."""

    receipt_id: UUID
    account_id: UUID
    sequence: int
    previous_hash: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class CallFacts:
    """
    A closed call. Money in micro-credits, `price` per minute.

    segments: [start_s, end_s, cost, source] each; gaps: {at_s, lasted_ms, cause};
    ledger: {id, kind, amount_microcredits}.
    """

    id: UUID
    user_id: UUID
    authorized_at: datetime
    answered_at: datetime
    started_at: datetime
    ended_at: datetime
    end_reason: str
    free_call: bool
    seconds: int
    price: int
    rate_card_version: int
    cost: int
    segments: list[list[int | str]]
    gaps: list[dict[str, Any]]
    ledger: list[dict[str, Any]]


def receipt_text(place: Place, kind: str, content: dict[str, Any]) -> str:
    """The body of a receipt: the envelope every kind has, and `content`."""
    envelope = {
        "version": VERSION,
        "kind": kind,
        "receipt_id": str(place.receipt_id),
        "account_id": str(place.account_id),
        "sequence": place.sequence,
        "previous_hash": place.previous_hash,
        "issued_at": time_text(place.issued_at),
    }
    assert not envelope.keys() & content.keys(), "content never replaces the envelope"
    return canonical_json.encode(envelope | content)


def call_content(call: CallFacts) -> dict[str, Any]:
    """The part of the body that only calls have."""
    ending = ENDINGS[EndReason(call.end_reason)]
    return {
        "call_id": str(call.id),
        "authorized_at": time_text(call.authorized_at),
        "answered_at": time_text(call.answered_at),
        "started_at": time_text(call.started_at),
        "ended_at": time_text(call.ended_at),
        "end_reason": call.end_reason,
        "fault_owner": ending.owner.value,
        "end_words": ending.words,
        "free_call": call.free_call,
        "billed_seconds": call.seconds,
        "price_microcredits_per_minute": call.price,
        "rate_card_version": call.rate_card_version,
        "cost_microcredits": call.cost,
        "formula": CALL_FORMULA,
        "segments": call.segments,
        "free": {
            "waiting_ms": whole_ms(call.authorized_at, call.started_at),
            "gaps": call.gaps,
        },
        "ledger": call.ledger,
    }


def hash_of(body: str) -> str:
    """SHA-256 of the UTF-8 bytes, in lower-case hexadecimal."""
    return hashlib.sha256(body.encode()).hexdigest()


def time_text(moment: datetime) -> str:
    """An aware time as ISO 8601 in UTC, always with six decimals."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


def whole_ms(start: datetime, end: datetime) -> int:
    """Milliseconds between two times, rounded down; exact, since a timedelta is whole numbers."""
    gone = end - start
    return (gone.days * 86_400 + gone.seconds) * 1_000 + gone.microseconds // 1_000


def credits_text(microcredits: int) -> str:
    """Credits for people to read: exact, without zeros that say nothing."""
    sign = "-" if microcredits < 0 else ""
    whole, rest = divmod(abs(microcredits), 1_000_000)
    fraction = f"{rest:06d}".rstrip("0")
    return f"{sign}{whole:,}{'.' if fraction else ''}{fraction}"
