"""SQL of what tools in a running call may know of it."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

OPEN_CALL = """
select s.user_id, s.epoch, s.state, s.seconds, s.granted, s.max_seconds, s.free_seconds, k.paid,
  s.price_microcredits_per_minute as price,
  call_cap(s.max_seconds, s.free_seconds, k.paid) as longest,
  greatest(credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends), 0) as available,
  credit_free(k.balance, k.reserved, k.spend_cap, k.spent, k.month_ends) < k.balance - k.reserved
    as is_capped
from call_sessions s join credits k on k.user_id = s.user_id where s.id = $1
"""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """
    Micro-credits and seconds. `longest`: the second no credit reaches beyond; `is_capped`: the
    month's spending cap leaves less than the balance does.
    """

    user_id: UUID
    epoch: int
    state: str
    seconds: int
    granted: int
    max_seconds: int
    free_seconds: int | None
    paid: bool
    price: int
    longest: int
    available: int
    is_capped: bool


async def open_call(tx: Tx, call_id: UUID) -> OpenCall | None:
    row = await tx.fetchrow(OPEN_CALL, call_id)
    return OpenCall(**row) if row else None
