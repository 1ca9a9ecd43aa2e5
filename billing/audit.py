"""
The audit log: who of the staff did what to whom, and why. It can only grow.

    python -m billing.audit        checks the whole chain; exit 0 when it is unbroken

An entry is a canonical JSON text that contains the hash of the entry before it, so that nobody
changes, removes or reorders one without breaking the chain from there on. Postgres refuses changes
besides. What a chain alone cannot show is that its newest entries are missing: each posting of an
operator must have its entry, which `invariant_violations` (A2) checks.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from billing import canonical_json
from billing.canonical_json import NotCanonical
from billing.store import audit as store
from billing.store.audit import Entry, Head
from shared.db import CONNECT_TIMEOUT_S, Tx
from shared.errors import Invalid
from shared.settings import PostgresSettings

VERSION: Final = 1
REASON_CHARS_MIN: Final = 3  # "ok" explains nothing
REASON_CHARS_MAX: Final = 500
ACTOR_CHARS_MAX: Final = 300
READ_BATCH: Final = 1_000
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


async def record(
    tx: Tx,
    *,
    actor: str,
    action: str,
    user_id: UUID | None,
    reason: str,
    details: Mapping[str, str | int | bool] | None = None,
    posting: str | None = None,
) -> int:
    """
    Write an entry, in the transaction that does what it tells; returns its number.

    Call it last: the log stays locked until the transaction ends. `details` hold no secrets, no
    texts and no addresses; `posting` is the source_id of the ledger row it explains.
    Raises Invalid for a reason that is too short, too long or not one line.
    """
    reason = checked_reason(reason)
    if not 0 < len(actor) <= ACTOR_CHARS_MAX or not actor.isprintable():
        raise Invalid("An actor is needed", param="actor")
    head = await store.lock_head(tx)
    entry = _entry(
        head,
        actor=actor,
        action=action,
        user_id=user_id,
        reason=reason,
        details=dict(details or {}),
        posting=posting,
    )
    await store.insert(tx, entry)
    return entry.sequence


def checked_reason(reason: str) -> str:
    """Without the space around it. Raises Invalid."""
    reason = reason.strip()
    if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX or not reason.isprintable():
        raise Invalid(
            f"A reason of {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters is needed, "
            "in one line",
            param="reason",
        )
    return reason


def _entry(
    head: Head,
    *,
    actor: str,
    action: str,
    user_id: UUID | None,
    reason: str,
    details: dict[str, Any],
    posting: str | None,
) -> Entry:
    said = {
        "version": VERSION,
        "sequence": head.sequence + 1,
        "previous_hash": head.hash,
        "at": head.at.astimezone(UTC).strftime(_TIME_FORMAT),
        "actor": actor,
        "action": action,
        "account_id": str(user_id or ""),
        "reason": reason,
        "posting": posting or "",
        "details": details,
    }
    body = canonical_json.encode(said)
    return Entry(
        sequence=head.sequence + 1,
        actor=actor,
        action=action,
        user_id=user_id,
        reason=reason,
        posting=posting,
        body=body,
        hash=hashlib.sha256(body.encode()).hexdigest(),
        previous_hash=head.hash,
        created_at=head.at,
    )


def details_of(entry: Entry) -> dict[str, Any]:
    """What an entry says besides its columns; nothing of one that cannot be read."""
    try:
        said = canonical_json.decode(entry.body)
    except NotCanonical:
        return {}
    details = said.get("details") if isinstance(said, dict) else None
    return details if isinstance(details, dict) else {}


async def problems(tx: Tx) -> AsyncIterator[str]:
    """What is wrong with the chain, in its order; nothing when all is well."""
    number, previous_hash = 0, "0" * 64
    while entries := await store.entries_after(tx, number, limit=READ_BATCH):
        for entry in entries:
            number += 1
            for problem in _problems_of(entry, number=number, previous_hash=previous_hash):
                yield f"entry {entry.sequence}: {problem}"
            number, previous_hash = entry.sequence, entry.hash


def _problems_of(entry: Entry, *, number: int, previous_hash: str) -> list[str]:
    checks = {
        f"number {number} is missing": entry.sequence == number,
        "it does not follow the entry before it": entry.previous_hash == previous_hash,
        "the hash is not the SHA-256 of the body": entry.hash
        == hashlib.sha256(entry.body.encode()).hexdigest(),
        "the body says something else than its row": _claims(entry.body) == _claimed(entry),
    }
    return [problem for problem, is_well in checks.items() if not is_well]


_CLAIMS: Final = "sequence previous_hash at actor action account_id reason posting".split()


def _claims(body: str) -> list[object] | None:
    try:
        said = canonical_json.decode(body)
    except NotCanonical:
        return None
    return [said.get(name) for name in _CLAIMS] if isinstance(said, dict) else None


def _claimed(entry: Entry) -> list[object]:
    at: datetime = entry.created_at
    return [
        entry.sequence,
        entry.previous_hash,
        at.astimezone(UTC).strftime(_TIME_FORMAT),
        entry.actor,
        entry.action,
        str(entry.user_id or ""),
        entry.reason,
        entry.posting or "",
    ]


async def _check() -> int:
    dsn = PostgresSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        found = [problem async for problem in problems(connection)]
    finally:
        await connection.close()
    sys.stdout.write("\n".join(found or ["the audit log is one unbroken chain"]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_check()))
