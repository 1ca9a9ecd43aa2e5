"""
SQL of speech jobs: what was asked for, how far it is, and who works on it.

Functions of a worker take its lease `token` in place of the owner: whoever has lost the lease
changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.db import Tx

INSERT = """
insert into speech_jobs(id, user_id, api_key_id, request_id, charge_id, voice_id, voice_version,
  wish, text, input_characters, parts_total, deadline_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
  clock_timestamp() + make_interval(secs => $12))
"""

INSERT_PARTS = """
insert into speech_job_parts(job_id, number, starts_at, ends_at)
select $1, p.number - 1, p.starts_at, p.ends_at
from unnest($2::int[], $3::int[]) with ordinality p(starts_at, ends_at, number)
"""

COUNT_OPEN = """
select count(*)::int from speech_jobs where user_id = $1 and state in ('queued', 'running')
"""

FIND = """
select id, state, wish, input_characters, parts_total, parts_done, revision, object_key,
  duration_ms, provider_model, cost, error_code, charge_id, created_at, started_at, ended_at
from speech_jobs where id = $1 and user_id = $2
"""

FIND_BY_CHARGE = """
select id, state, wish, input_characters, parts_total, parts_done, revision, object_key,
  duration_ms, provider_model, cost, error_code, charge_id, created_at, started_at, ended_at
from speech_jobs where charge_id = $1 and user_id = $2
"""

LIST = """
select id, state, wish, input_characters, parts_total, parts_done, revision, object_key,
  duration_ms, provider_model, cost, error_code, charge_id, created_at, started_at, ended_at
from speech_jobs where user_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3
"""

TAKE = """
select id, user_id, api_key_id, request_id, charge_id, voice_id, voice_version, wish, text,
  input_characters, parts_total, takes, deadline_at < clock_timestamp() as is_overdue
from speech_job_take_v1($1, $2, $3)
"""

RENEW = """
update speech_jobs set lease_until = clock_timestamp() + make_interval(secs => $3)
where id = $1 and lease_token = $2 and state = 'running'
  and deadline_at > clock_timestamp() returning true
"""

YIELD = """
update speech_jobs set lease_until = clock_timestamp()
where id = $1 and lease_token = $2 and state = 'running'
"""

PARTS = """
select number, starts_at, ends_at, object_key, duration_ms, quantity, provider_model
from speech_job_parts where job_id = $1 order by number
"""

PART_DONE = "select speech_job_part_done_v1($1, $2, $3, $4, $5, $6, $7)"

LOCK = """
select charge_id from speech_jobs
where id = $1 and lease_token = $2 and state = 'running' for no key update
"""

SUCCEED = """
update speech_jobs set state = 'succeeded', ended_at = clock_timestamp(), text = null,
  lease_token = null, lease_until = null, revision = revision + 1, audio_file_id = $2,
  object_key = $3, duration_ms = $4, size_bytes = $5, provider_model = $6, cost = $7
where id = $1 and state = 'running'
"""

FAIL = """
update speech_jobs set state = 'failed', ended_at = clock_timestamp(), text = null,
  lease_token = null, lease_until = null, revision = revision + 1, error_code = $2
where id = $1 and state = 'running'
"""

CANCEL = """
update speech_jobs set state = 'cancelled', ended_at = clock_timestamp(), text = null,
  lease_token = null, lease_until = null, revision = revision + 1
where id = $1 and user_id = $2 and state in ('queued', 'running') returning charge_id
"""

FORGET_PARTS = "delete from speech_job_parts where job_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """`cuts` are the ends of the pieces in `text`; the last one is its length."""

    id: UUID
    user_id: UUID
    api_key_id: UUID | None
    request_id: str | None
    charge_id: UUID
    voice_id: UUID
    voice_version: int
    wish: dict[str, Any]
    text: str
    input_characters: int
    cuts: Sequence[int]
    time_s: int


@dataclass(frozen=True, slots=True)
class Job:
    """As its owner may see it. `cost` is in micro-credits, `revision` grows with each change."""

    id: UUID
    state: str
    wish: dict[str, Any]
    input_characters: int
    parts_total: int
    parts_done: int
    revision: int
    object_key: str | None
    duration_ms: int | None
    provider_model: str | None
    cost: int
    error_code: str | None
    charge_id: UUID
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TakenJob:
    """As its worker needs it. `takes` counts the workers it has had, this one included."""

    id: UUID
    user_id: UUID
    api_key_id: UUID | None
    request_id: str | None
    charge_id: UUID
    voice_id: UUID
    voice_version: int
    wish: dict[str, Any]
    text: str
    input_characters: int
    parts_total: int
    takes: int
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Characters `starts_at` to `ends_at`; spoken when it has an `object_key`."""

    number: int
    starts_at: int
    ends_at: int
    object_key: str | None
    duration_ms: int | None
    quantity: int | None
    provider_model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a job ends with; `cost` in micro-credits."""

    audio_file_id: UUID
    object_key: str
    duration_ms: int
    size_bytes: int
    provider_model: str
    cost: int


async def insert(tx: Tx, job: NewJob) -> None:
    await tx.execute(
        INSERT,
        job.id,
        job.user_id,
        job.api_key_id,
        job.request_id,
        job.charge_id,
        job.voice_id,
        job.voice_version,
        job.wish,
        job.text,
        job.input_characters,
        len(job.cuts),
        job.time_s,
    )
    await tx.execute(INSERT_PARTS, job.id, [0, *job.cuts[:-1]], [*job.cuts])


async def count_open(tx: Tx, owner: UUID) -> int:
    count: int = await tx.fetchval(COUNT_OPEN, owner)
    return count


async def find(tx: Tx, *, job_id: UUID, owner: UUID) -> Job | None:
    row = await tx.fetchrow(FIND, job_id, owner)
    return Job(**row) if row else None


async def find_by_charge(tx: Tx, *, charge_id: UUID, owner: UUID) -> Job | None:
    row = await tx.fetchrow(FIND_BY_CHARGE, charge_id, owner)
    return Job(**row) if row else None


async def page(tx: Tx, *, owner: UUID, before: UUID | None, limit: int) -> list[Job]:
    """Newest first; those older than `before`."""
    return [Job(**row) for row in await tx.fetch(LIST, owner, before, limit)]


async def cancel(tx: Tx, *, job_id: UUID, owner: UUID) -> UUID | None:
    """The charge to release; None when the job had ended or is not the owner's."""
    charge_id: UUID | None = await tx.fetchval(CANCEL, job_id, owner)
    if charge_id is not None:
        await tx.execute(FORGET_PARTS, job_id)
    return charge_id


async def take(tx: Tx, *, token: UUID, lease_s: float, user_max: int) -> TakenJob | None:
    row = await tx.fetchrow(TAKE, token, lease_s, user_max)
    return TakenJob(**row) if row else None


async def renew(tx: Tx, *, job_id: UUID, token: UUID, lease_s: float) -> bool:
    """False when the lease is lost, the job was cancelled, or its time is over."""
    return await tx.fetchval(RENEW, job_id, token, lease_s) is not None


async def give_back(tx: Tx, *, job_id: UUID, token: UUID) -> None:
    """Let another worker take it at once."""
    await tx.execute(YIELD, job_id, token)


async def parts(tx: Tx, job_id: UUID) -> list[Part]:
    return [Part(**row) for row in await tx.fetch(PARTS, job_id)]


async def part_done(tx: Tx, *, job_id: UUID, token: UUID, part: Part) -> bool:
    """False when the lease is lost."""
    kept: bool = await tx.fetchval(
        PART_DONE,
        job_id,
        token,
        part.number,
        part.object_key,
        part.duration_ms,
        part.quantity,
        part.provider_model,
    )
    return kept


async def lock(tx: Tx, *, job_id: UUID, token: UUID) -> bool:
    """Whether the lease still holds; nobody can end the job then before `tx` does."""
    row: asyncpg.Record | None = await tx.fetchrow(LOCK, job_id, token)
    return row is not None


async def succeed(tx: Tx, *, job_id: UUID, delivery: Delivery) -> None:
    await tx.execute(
        SUCCEED,
        job_id,
        delivery.audio_file_id,
        delivery.object_key,
        delivery.duration_ms,
        delivery.size_bytes,
        delivery.provider_model,
        delivery.cost,
    )
    await tx.execute(FORGET_PARTS, job_id)


async def fail(tx: Tx, *, job_id: UUID, error_code: str) -> None:
    await tx.execute(FAIL, job_id, error_code)
    await tx.execute(FORGET_PARTS, job_id)
