"""SQL that finds what became of an order the account has sent before."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

# Each attempt has a key of its own: the prefix and a number.
ATTEMPTS = """
select id, state, request_sha256, cost from generation_charges
where user_id = $1 and idempotency_key = any($2::text[]) order by created_at, id
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`state` is reserved, settled or released; `cost` in micro-credits."""

    id: UUID
    state: str
    request_sha256: bytes
    cost: int


async def attempts(tx: Tx, *, owner: UUID, keys: list[str]) -> list[Attempt]:
    """In the order in which they were made."""
    return [Attempt(**row) for row in await tx.fetch(ATTEMPTS, owner, keys)]
