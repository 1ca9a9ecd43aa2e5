"""SQL of worker groups and of the room they have."""

from dataclasses import dataclass

from shared.db import Tx

REPORT = """
insert into workers(id, slots) values ($1, $2)
on conflict (id) do update set slots = excluded.slots, seen_at = clock_timestamp()
"""

EXISTS = "select exists (select from workers where id = $1)"

LOCK_ADMISSION = "select pg_advisory_xact_lock($1)"

# A draining worker reports 0 slots: its calls take nothing from the others.
CAPACITY = """
with live as materialized (
  select id, slots from workers where seen_at > clock_timestamp() - make_interval(secs => $1)),
open as materialized (
  select worker_id from call_sessions where state in ('authorized', 'active'))
select
  (select coalesce(sum(slots), 0) from live)::int as slots,
  (select count(*) from live)::int as workers,
  (select count(*) from open)::int as open_calls,
  (select count(*) from open where worker_id is null
    or worker_id not in (select id from live where slots = 0))::int as taken
"""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Calls the live workers can hold, calls open, and how many of those take a slot."""

    slots: int
    workers: int
    open_calls: int
    taken: int


async def report(tx: Tx, *, worker_id: str, slots: int) -> None:
    await tx.execute(REPORT, worker_id, slots)


async def exists(tx: Tx, worker_id: str) -> bool:
    found: bool = await tx.fetchval(EXISTS, worker_id)
    return found


async def lock_admission(tx: Tx, lock_id: int) -> None:
    """Held until the transaction ends."""
    await tx.execute(LOCK_ADMISSION, lock_id)


async def capacity(tx: Tx, *, alive_s: int) -> Capacity:
    row = await tx.fetchrow(CAPACITY, alive_s)
    assert row is not None, "an aggregate has one row"
    return Capacity(**row)
