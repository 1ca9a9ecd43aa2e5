"""SQL of calls: the charging functions and what is read around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.call_protocol import CallReport, Grant, Standing
from shared.db import Tx

AUTHORIZE = "select call_authorize_v3($1, $2, $3, $4, $5, $6, $7, $8)"

START = """
select s.id, s.epoch, s.seconds, s.granted, s.final_unit, s.max_seconds, s.free_seconds, k.paid
from call_start_v1($1, $2, $3, $4) s join credits k on k.user_id = s.user_id
"""

SETTLE = """
select call_id, standing, seconds, granted, final_unit
from calls_settle_v2($1::uuid[], $2::int[], $3::int[], $4, $5)
"""

CLOSE = "select seconds, end_reason, already_closed from call_close_v2($1, $2, $3, $4, $5, $6)"

STATE = "select id, state, user_id from call_sessions where id = $1"

OPEN_OF_USER = """
select id, state, seconds, authorized_at, started_at,
  extract(epoch from clock_timestamp() - authorized_at)::float8 as age_s
from call_sessions where user_id = $1 and state in ('authorized', 'active') order by id
"""

FREE_SECONDS_USED = "select coalesce(sum(seconds), 0)::int from call_sessions where user_id = $1"


@dataclass(frozen=True, slots=True)
class Started:
    id: UUID
    epoch: int
    seconds: int
    granted: int
    final_unit: bool
    max_seconds: int
    free_seconds: int | None
    paid: bool


@dataclass(frozen=True, slots=True)
class Closed:
    seconds: int
    end_reason: str
    already_closed: bool


@dataclass(frozen=True, slots=True)
class CallState:
    id: UUID
    state: str
    user_id: UUID


async def authorize(
    tx: Tx,
    *,
    call_id: UUID,
    user_id: UUID,
    price: int,
    want_seconds: int,
    min_seconds: int,
    max_seconds: int,
    free_seconds: int | None,
    rate_card_version: int,
) -> int:
    """Granted seconds, 0 when the account cannot pay for `min_seconds`."""
    granted: int = await tx.fetchval(
        AUTHORIZE,
        call_id,
        user_id,
        price,
        want_seconds,
        min_seconds,
        max_seconds,
        free_seconds,
        rate_card_version,
    )
    return granted


async def start(
    tx: Tx, *, call_id: UUID, worker_id: str, job_id: str, fresh_s: int
) -> Started | None:
    row = await tx.fetchrow(START, call_id, worker_id, job_id, fresh_s)
    return Started(**row) if row else None


async def settle(
    tx: Tx, reports: Sequence[CallReport], *, want_seconds: int, low_seconds: int
) -> list[Grant]:
    """One row a call that exists; the caller adds those that do not."""
    rows = await tx.fetch(
        SETTLE,
        [r.id for r in reports],
        [r.epoch for r in reports],
        [r.seconds for r in reports],
        want_seconds,
        low_seconds,
    )
    return [
        Grant(
            id=row["call_id"],
            standing=Standing(row["standing"]),
            seconds=row["seconds"],
            granted_seconds=row["granted"],
            final_unit=row["final_unit"],
        )
        for row in rows
    ]


async def close(
    tx: Tx,
    *,
    call_id: UUID,
    epoch: int | None,
    seconds: int,
    reason: str,
    closed_by: str,
    source: str,
) -> Closed | None:
    """None when there is no such call. Raises asyncpg's error 40P99 when fenced."""
    row = await tx.fetchrow(CLOSE, call_id, epoch, seconds, reason, closed_by, source)
    return Closed(**row) if row else None


async def state_of(tx: Tx, call_id: UUID) -> CallState | None:
    row = await tx.fetchrow(STATE, call_id)
    return CallState(**row) if row else None


@dataclass(frozen=True, slots=True)
class OpenCall:
    id: UUID
    state: str
    seconds: int
    age_s: float


async def open_calls_of(tx: Tx, user_id: UUID) -> list[OpenCall]:
    rows = await tx.fetch(OPEN_OF_USER, user_id)
    return [OpenCall(row["id"], row["state"], row["seconds"], row["age_s"]) for row in rows]


async def seconds_used(tx: Tx, user_id: UUID) -> int:
    used: int = await tx.fetchval(FREE_SECONDS_USED, user_id)
    return used
