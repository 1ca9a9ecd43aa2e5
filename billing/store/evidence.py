"""SQL of what proves that a payment was used: for the owner of one charge."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

ACCOUNT = "select id, email, created_at from profiles where id = $1"

LEDGER = """
select id, kind, amount, source, source_id, created_at from credit_transactions
where user_id = $1 and created_at >= $2 order by id limit $3
"""

RECEIPTS = """
select sequence, kind, subject_id, body, hash, previous_hash, key_id, signature, issued_at
from receipts where user_id = $1 and issued_at >= $2 order by sequence limit $3
"""

CONSENTS = """
select sequence, kind, consent_id, body, hash, previous_hash, created_at
from consent_entries where user_id = $1 order by sequence limit $2
"""

TALKED = """
select count(*) as calls, coalesce(sum(seconds), 0)::bigint as seconds,
  coalesce(sum(cost), 0)::bigint as cost, min(started_at) as first_at, max(ended_at) as last_at
from call_sessions where user_id = $1 and state = 'closed' and seconds > 0 and ended_at >= $2
"""

SPOKEN = """
select count(*) as generations, coalesce(-sum(amount), 0)::bigint as cost
from credit_transactions where user_id = $1 and kind = 'generation' and created_at >= $2
"""


@dataclass(frozen=True, slots=True)
class Holder:
    id: UUID
    email: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """`amount` in micro-credits, signed."""

    id: int
    kind: str
    amount: int
    source: str
    source_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    sequence: int
    kind: str
    subject_id: UUID
    body: str
    hash: str
    previous_hash: str
    key_id: str | None
    signature: str | None
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class KeptConsent:
    sequence: int
    kind: str
    consent_id: UUID
    body: str
    hash: str
    previous_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Talked:
    """Closed calls; cost in micro-credits."""

    calls: int
    seconds: int
    cost: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech that was generated; cost in micro-credits."""

    generations: int
    cost: int


async def holder(tx: Tx, owner: UUID) -> Holder:
    row = await tx.fetchrow(ACCOUNT, owner)
    assert row is not None, "a payment has an account"
    return Holder(**row)


async def ledger(tx: Tx, owner: UUID, *, since: datetime, limit: int) -> list[LedgerLine]:
    return [LedgerLine(**row) for row in await tx.fetch(LEDGER, owner, since, limit)]


async def receipts(tx: Tx, owner: UUID, *, since: datetime, limit: int) -> list[KeptReceipt]:
    return [KeptReceipt(**row) for row in await tx.fetch(RECEIPTS, owner, since, limit)]


async def consents(tx: Tx, owner: UUID, *, limit: int) -> list[KeptConsent]:
    return [KeptConsent(**row) for row in await tx.fetch(CONSENTS, owner, limit)]


async def talked(tx: Tx, owner: UUID, *, since: datetime) -> Talked:
    row = await tx.fetchrow(TALKED, owner, since)
    assert row is not None, "an aggregate"
    return Talked(**row)


async def spoken(tx: Tx, owner: UUID, *, since: datetime) -> Spoken:
    row = await tx.fetchrow(SPOKEN, owner, since)
    assert row is not None, "an aggregate"
    return Spoken(**row)
