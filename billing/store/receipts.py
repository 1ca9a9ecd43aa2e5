"""SQL of receipts, and of the facts a call's receipt is made of."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.receipt_body import CallFacts
from shared.db import Tx

# Segments are looked for from a day before the call on, so that old partitions are not opened; a
# day is more than any clock steps back. One statement: closing a call should stay cheap.
CALL_FACTS = """
select s.id, s.user_id, s.authorized_at, s.answered_at, s.started_at, s.ended_at, s.end_reason,
  s.seconds, s.price_microcredits_per_minute as price, s.rate_card_version, s.cost,
  coalesce(c.free_call, s.free_seconds is not null) as free_call,
  coalesce((select jsonb_agg(jsonb_build_array(e.start_s, e.end_s, e.cost, e.source)
      order by e.start_s)
    from usage_events e
    where e.call_id = s.id and e.at > s.authorized_at - interval '1 day'), '[]')::text as segments,
  coalesce((select jsonb_agg(jsonb_build_object('at_s', g.at_s,
      'lasted_ms', round(g.lasted_s * 1000)::bigint, 'cause', g.cause) order by g.index)
    from call_gaps g where g.call_id = s.id), '[]')::text as gaps,
  coalesce((select jsonb_agg(jsonb_build_object('id', t.id, 'kind', t.kind,
      'amount_microcredits', t.amount) order by t.id)
    from credit_transactions t where t.call_id = s.id), '[]')::text as ledger
from call_sessions s left join call_configs c on c.call_id = s.id
where s.id = $1 and s.state = 'closed' and s.seconds > 0
"""

LOCK_ACCOUNT = "select user_id from credits where user_id = $1 for no key update"

CHAIN_HEAD = """
select coalesce(last.sequence, 0) as sequence, last.hash, clock_timestamp() as now,
  exists (select from receipts i where i.subject_id = $2) as issued
from (values (1)) one(row) left join lateral (
  select r.sequence, r.hash from receipts r where r.user_id = $1
  order by r.sequence desc limit 1) last on true
"""

INSERT = """
insert into receipts(id, user_id, sequence, kind, subject_id, body, hash, previous_hash, issued_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

FIND = """
select id, user_id, sequence, kind, subject_id, body, hash, previous_hash, key_id, signature,
  issued_at
from receipts where subject_id = $1 and user_id = $2
"""

SIGN = "update receipts set key_id = $2, signature = $3 where id = $1 and signature is null"

COUNT = "select count(*) from receipts where user_id = $1"

LIST = """
select id, sequence, kind, subject_id, hash, previous_hash, issued_at,
  (body::jsonb ->> 'cost_microcredits')::bigint as cost_microcredits
from receipts where user_id = $1 order by sequence desc limit $2 offset $3
"""

CALL_STANDING = "select state, seconds from call_sessions where id = $1 and user_id = $2"


@dataclass(frozen=True, slots=True)
class Receipt:
    """`body` is the signed text; `key_id` and `signature` are None until somebody reads it."""

    id: UUID
    user_id: UUID
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
class ReceiptSummary:
    """A line of the list, without the body: that of a day's call has a quarter of a megabyte."""

    id: UUID
    sequence: int
    kind: str
    subject_id: UUID
    hash: str
    previous_hash: str
    issued_at: datetime
    cost_microcredits: int


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last receipt of an account; sequence 0 and no hash when there is none."""

    sequence: int
    hash: str | None
    now: datetime
    issued: bool  # the subject has its receipt already


@dataclass(frozen=True, slots=True)
class CallStanding:
    state: str
    seconds: int


async def call_facts(tx: Tx, call_id: UUID) -> CallFacts | None:
    """None unless the call is closed with billed seconds."""
    row = await tx.fetchrow(CALL_FACTS, call_id)
    if row is None:
        return None
    lists = {name: json.loads(row[name]) for name in ("segments", "gaps", "ledger")}
    return CallFacts(**{**row, **lists})


async def lock_account(tx: Tx, user_id: UUID) -> None:
    await tx.execute(LOCK_ACCOUNT, user_id)


async def chain_head(tx: Tx, *, user_id: UUID, subject_id: UUID) -> ChainHead:
    row = await tx.fetchrow(CHAIN_HEAD, user_id, subject_id)
    assert row is not None, "the statement starts from one row"
    return ChainHead(**row)


async def insert(tx: Tx, receipt: Receipt) -> None:
    await tx.execute(
        INSERT,
        receipt.id,
        receipt.user_id,
        receipt.sequence,
        receipt.kind,
        receipt.subject_id,
        receipt.body,
        receipt.hash,
        receipt.previous_hash,
        receipt.issued_at,
    )


async def find(tx: Tx, *, subject_id: UUID, owner: UUID) -> Receipt | None:
    row = await tx.fetchrow(FIND, subject_id, owner)
    return Receipt(**row) if row else None


async def sign(tx: Tx, *, receipt_id: UUID, key_id: str, signature: str) -> None:
    """Changes nothing when it is signed already."""
    await tx.execute(SIGN, receipt_id, key_id, signature)


async def count(tx: Tx, owner: UUID) -> int:
    number: int = await tx.fetchval(COUNT, owner)
    return number


async def page(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[ReceiptSummary]:
    """Newest first."""
    return [ReceiptSummary(**row) for row in await tx.fetch(LIST, owner, limit, offset)]


async def call_standing(tx: Tx, *, call_id: UUID, owner: UUID) -> CallStanding | None:
    row = await tx.fetchrow(CALL_STANDING, call_id, owner)
    return CallStanding(**row) if row else None
