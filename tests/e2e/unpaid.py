"""Calls that must not cost anything: nothing billed, nothing held, nothing written."""

from uuid import UUID

from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.ledger import call_row, connect

TRACES = """
select (select count(*) from usage_events where call_id = $1)
     + (select count(*) from credit_transactions where call_id = $1)
     + (select count(*) from receipts where subject_id = $1)
"""


async def costs_nothing(stack: Stack, caller: SimulatedCaller, call_id: str) -> None:
    """A call that ended before its clock began leaves its row, and no trace of money."""
    row = await call_row(stack, call_id)
    assert (row["state"], row["seconds"], row["cost"]) == ("expired", 0, 0)
    connection = await connect(stack)
    try:
        assert await connection.fetchval(TRACES, UUID(call_id)) == 0
    finally:
        await connection.close()
    balance = await caller.api.balance()
    assert (balance.reserved, balance.debt) == (0, 0)
    assert balance.available == balance.amount
