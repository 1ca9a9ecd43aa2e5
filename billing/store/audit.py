"""SQL of the audit log, and of freezing, which is never done without an entry in it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

HEAD = "select sequence, hash, at from audit_head_v1()"

INSERT = """
insert into audit_log(sequence, actor, action, user_id, reason, posting, body, hash, previous_hash,
  created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_ENTRY = """
select sequence, actor, action, user_id, reason, posting, body, hash, previous_hash, created_at
from audit_log
"""

OF_ACCOUNT = f"{_ENTRY} where user_id = $1 order by sequence desc limit $2 offset $3"

COUNT_OF_ACCOUNT = "select count(*) from audit_log where user_id = $1"

AFTER = f"{_ENTRY} where sequence > $1 order by sequence limit $2"

POSTED = """
select user_id, kind, amount from credit_transactions where source = $1 and source_id = $2
"""

FREEZE = "select account_freeze_v1($1)"

UNFREEZE = "select account_unfreeze_v1($1)"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry; 0 and a hash of zeros before the first one. `at` is the database's time."""

    sequence: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of the log. The columns beside `body` repeat what it says."""

    sequence: int
    actor: str
    action: str
    user_id: UUID | None
    reason: str
    posting: str | None
    body: str
    hash: str
    previous_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Posted:
    """A row of the ledger, by the key it was posted with."""

    user_id: UUID
    kind: str
    amount: int


async def lock_head(tx: Tx) -> Head:
    """Nobody else writes to the log until the transaction ends."""
    row = await tx.fetchrow(HEAD)
    assert row is not None, "the function always answers"
    return Head(**row)


async def insert(tx: Tx, entry: Entry) -> None:
    await tx.execute(
        INSERT,
        entry.sequence,
        entry.actor,
        entry.action,
        entry.user_id,
        entry.reason,
        entry.posting,
        entry.body,
        entry.hash,
        entry.previous_hash,
        entry.created_at,
    )


async def count_of(tx: Tx, owner: UUID) -> int:
    found: int = await tx.fetchval(COUNT_OF_ACCOUNT, owner)
    return found


async def entries_of(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[Entry]:
    """What was done to an account, newest first."""
    return [Entry(**row) for row in await tx.fetch(OF_ACCOUNT, owner, limit, offset)]


async def entries_after(tx: Tx, sequence: int, *, limit: int) -> list[Entry]:
    """The log in its order."""
    return [Entry(**row) for row in await tx.fetch(AFTER, sequence, limit)]


async def posted(tx: Tx, *, source: str, source_id: str) -> Posted | None:
    row = await tx.fetchrow(POSTED, source, source_id)
    return Posted(**row) if row else None


async def freeze(tx: Tx, user_id: UUID) -> bool | None:
    """False when it was frozen before, None without such an account."""
    changed: bool | None = await tx.fetchval(FREEZE, user_id)
    return changed


async def unfreeze(tx: Tx, user_id: UUID) -> bool | None:
    """False when it was not frozen, None without such an account."""
    changed: bool | None = await tx.fetchval(UNFREEZE, user_id)
    return changed
