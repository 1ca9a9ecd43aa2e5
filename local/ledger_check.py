"""
The bill of one call, read from the tables themselves.

It shares no code with what wrote them: the numbers are taken as they stand and compared.
"""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

CALL = """
select s.state, s.seconds, s.cost, s.price_microcredits_per_minute as price,
       c.balance, c.reserved, c.debt
  from call_sessions s join credits c using (user_id) where s.id = $1
"""
SEGMENTS = "select start_s, end_s, cost from usage_events where call_id = $1 order by start_s"
DEBITS = "select amount from credit_transactions where kind = 'call' and call_id = $1"
VIOLATIONS = "select invariant, key from invariant_violations limit 20"


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """Amounts in micro-credits. `faults` is empty when the bill is right."""

    seconds: int
    cost: int
    segments: int
    debits: tuple[int, ...]
    balance: int
    reserved: int
    violations: tuple[str, ...]
    faults: tuple[str, ...]


async def check_ledger(dsn: str, call_id: str) -> LedgerCheck:
    """Raises LookupError when there is no such call."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        call = await connection.fetchrow(CALL, UUID(call_id))
        segments = await connection.fetch(SEGMENTS, UUID(call_id))
        debits = tuple(row["amount"] for row in await connection.fetch(DEBITS, UUID(call_id)))
        violations = tuple(
            f"{row['invariant']} ({row['key']})" for row in await connection.fetch(VIOLATIONS)
        )
    finally:
        await connection.close()
    if call is None:
        raise LookupError(f"no call {call_id}")
    return LedgerCheck(
        seconds=call["seconds"],
        cost=call["cost"],
        segments=len(segments),
        debits=debits,
        balance=call["balance"],
        reserved=call["reserved"],
        violations=violations,
        faults=(*_faults(call, segments, debits), *violations),
    )


def _faults(
    call: asyncpg.Record, segments: list[asyncpg.Record], debits: tuple[int, ...]
) -> list[str]:
    """What is wrong, in words."""
    seconds, cost = call["seconds"], call["cost"]
    starts = [0, *(row["end_s"] for row in segments)]
    found = {
        "the call is not closed": call["state"] != "closed",
        "the segments are not contiguous": [row["start_s"] for row in segments] != starts[:-1],
        "the segments do not add up to the call": starts[-1] != seconds
        or sum(row["cost"] for row in segments) != cost,
        "the cost is not the price of the seconds": cost != -(-seconds * call["price"] // 60),
        "the ledger has not exactly one debit of the cost": debits != ((-cost,) if cost else ()),
        "credit is still held for the call": call["reserved"] != 0,
        "the account is in debt": call["debt"] != 0,
    }
    return [words for words, wrong in found.items() if wrong]
