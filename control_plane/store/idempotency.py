"""SQL of requests with an idempotency key: claimed, worked on, answered, forgotten."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

CLAIM = """
select outcome, wait_s, (request).id, (request).attempt, (request).run, (request).status,
  (request).headers, (request).body, (request).object_key
from idempotent_claim_v1($1, $2, $3, $4, $5, $6, $7)
"""

RENEW = """
update idempotent_requests set lease_until = clock_timestamp() + make_interval(secs => $4)
where user_id = $1 and key = $2 and run = $3 and state = 'started' returning run
"""

KEEP = """
update idempotent_requests set state = 'done', status = $4, headers = $5, body = $6, object_key = $7
where user_id = $1 and key = $2 and run = $3 and state = 'started' returning run
"""

REOPEN = """
update idempotent_requests set lease_until = clock_timestamp()
where user_id = $1 and key = $2 and run = $3 and state = 'started'
"""

FORGET = """
delete from idempotent_requests where user_id = $1 and key = $2 and run = $3 and state = 'started'
"""

PURGE = """
delete from idempotent_requests where (user_id, key) in (
  select user_id, key from idempotent_requests where expires_at < clock_timestamp()
  order by expires_at limit $1 for update skip locked)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """
    `outcome` is run, done, running (for `wait_s` more) or reused; the answer is there when done.

    `id` and `attempt` make the key of the charge, `run` fences who works on it.
    """

    outcome: str
    wait_s: float
    id: UUID | None
    attempt: int | None
    run: int | None
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None
    object_key: str | None


async def claim(
    tx: Tx,
    *,
    owner: UUID,
    key: str,
    new_id: UUID,
    route: str,
    request_sha256: bytes,
    lease_s: float,
    ttl_s: int,
) -> Claim:
    row = await tx.fetchrow(CLAIM, owner, key, new_id, route, request_sha256, lease_s, ttl_s)
    assert row is not None, "the function always answers"
    return Claim(**row)


async def renew(tx: Tx, *, owner: UUID, key: str, run: int, lease_s: float) -> bool:
    """False when another run has taken over."""
    return await tx.fetchval(RENEW, owner, key, run, lease_s) is not None


async def keep(
    tx: Tx,
    *,
    owner: UUID,
    key: str,
    run: int,
    status: int,
    headers: dict[str, str],
    body: bytes | None,
    object_key: str | None,
) -> bool:
    """False when another run has taken over."""
    kept = await tx.fetchval(KEEP, owner, key, run, status, headers, body, object_key)
    return kept is not None


async def reopen(tx: Tx, *, owner: UUID, key: str, run: int) -> None:
    """The next one may run at once."""
    await tx.execute(REOPEN, owner, key, run)


async def forget(tx: Tx, *, owner: UUID, key: str, run: int) -> None:
    """As if it had never been asked."""
    await tx.execute(FORGET, owner, key, run)


async def purge(tx: Tx, *, limit: int) -> int:
    """Delete up to `limit` expired ones; how many there were."""
    return int((await tx.execute(PURGE, limit)).rpartition(" ")[2])
