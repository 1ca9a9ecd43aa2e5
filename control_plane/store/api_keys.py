"""SQL of API keys. A charge moves the `credit_used` of its key by itself (migration 0011)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

# Makers of keys of one account wait for each other; charging does not wait for them.
LOCK_OWNER = """
select p.frozen_at is not null as is_frozen, c.paid as is_paid
from profiles p join credits c on c.user_id = p.id where p.id = $1 for no key update of p
"""

COUNT_USABLE = """
select count(*) from api_keys
where user_id = $1 and is_active and (expires_at is null or expires_at > clock_timestamp())
"""

INSERT = """
insert into api_keys(id, user_id, key_hash, key_prefix, name, scopes, credit_limit, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning id, name, key_prefix, scopes, metadata, credit_limit, credit_used, is_active, created_at,
  last_used_at, expires_at
"""

# An account has few usable keys and may have revoked many: those must not push these out.
LIST = """
select id, name, key_prefix, scopes, metadata, credit_limit, credit_used, is_active, created_at,
  last_used_at, expires_at
from (select * from api_keys where user_id = $1 order by is_active desc, created_at desc limit $2) k
order by created_at desc, id desc
"""

REVOKE = "update api_keys set is_active = false where id = $1 and user_id = $2 returning id"

FIND_LIVE = """
select k.id, k.user_id, k.scopes, k.expires_at, k.last_used_at, c.paid as is_paid,
  p.frozen_at is not null as is_frozen
from api_keys k join profiles p on p.id = k.user_id join credits c on c.user_id = k.user_id
where k.key_hash = $1 and k.is_active
"""

# Several processes write at once: what another has locked is left for the next round.
NOTE_USES = """
with due as (
  select k.id, u.used_at from api_keys k
  join unnest($1::uuid[], $2::timestamptz[]) u(id, used_at) on u.id = k.id
  where k.last_used_at is null or k.last_used_at <= u.used_at - make_interval(secs => $3)
  order by k.id for no key update of k skip locked)
update api_keys k set last_used_at = due.used_at from due where k.id = due.id
"""

TAKE_CHARGE = "select outcome, needed, available from api_key_take_charge_v1($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class Owner:
    is_frozen: bool
    is_paid: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`credit_limit` (None: none) and `credit_used`, with open holds, are micro-credits."""

    id: UUID
    name: str
    key_prefix: str
    scopes: list[str]
    metadata: dict[str, Any]
    credit_limit: int | None
    credit_used: int
    is_active: bool
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LiveKey:
    """An active key and its account; it may have expired."""

    id: UUID
    user_id: UUID
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    is_paid: bool
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """`needed` is the hold, `available` what the key may spend besides; None without a limit."""

    outcome: str
    needed: int
    available: int | None


async def lock_owner(tx: Tx, owner: UUID) -> Owner | None:
    row = await tx.fetchrow(LOCK_OWNER, owner)
    return Owner(**row) if row else None


async def count_usable(tx: Tx, owner: UUID) -> int:
    count: int = await tx.fetchval(COUNT_USABLE, owner)
    return count


async def insert(
    tx: Tx,
    *,
    key_id: UUID,
    owner: UUID,
    key_hash: bytes,
    key_prefix: str,
    name: str,
    scopes: Collection[str],
    credit_limit: int | None,
    expires_at: datetime | None,
) -> ApiKey:
    row = await tx.fetchrow(
        INSERT, key_id, owner, key_hash, key_prefix, name, scopes, credit_limit, expires_at
    )
    assert row is not None, "inserted"
    return ApiKey(**row)


async def list_keys(tx: Tx, *, owner: UUID, limit: int) -> list[ApiKey]:
    """Newest first; at most `limit`, of which revoked ones are left out first."""
    return [ApiKey(**row) for row in await tx.fetch(LIST, owner, limit)]


async def revoke(tx: Tx, *, key_id: UUID, owner: UUID) -> bool:
    """False when the account has no such key. Revoking again changes nothing."""
    return await tx.fetchval(REVOKE, key_id, owner) is not None


async def find_live(tx: Tx, key_hash: bytes) -> LiveKey | None:
    """By the hash: whoever can make it holds the key, so no owner is asked for."""
    row = await tx.fetchrow(FIND_LIVE, key_hash)
    return LiveKey(**row) if row else None


async def note_uses(tx: Tx, uses: dict[UUID, datetime], *, at_least_every_s: float) -> None:
    """Write when keys were used, not more often than every so many seconds a key."""
    await tx.execute(NOTE_USES, list(uses), list(uses.values()), at_least_every_s)


async def take_charge(tx: Tx, *, key_id: UUID, owner: UUID, charge_id: UUID) -> Taken:
    row = await tx.fetchrow(TAKE_CHARGE, key_id, owner, charge_id)
    assert row is not None, "the function always answers"
    return Taken(**row)
