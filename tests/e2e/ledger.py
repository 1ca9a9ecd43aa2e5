"""Money of end-to-end tests: accounts with an exact balance, and what a call must have cost."""

import math
from uuid import UUID

import asyncpg

from billing import ledger
from billing.money import MicroCredits, from_credits
from local.call_result import CallResult
from local.ledger_check import LedgerCheck, check_ledger
from local.stack import Stack
from shared.ids import new_uuid

TOLERANCE_S = 1.0  # of the bill against the caller's stopwatch, never in the caller's disfavour


async def connect(stack: Stack) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(stack.database_url, timeout=5)


async def post_credit(stack: Stack, user_id: str, amount: float, *, kind: str = "topup") -> None:
    """What a payment of `amount` credits does to an account, in the middle of a call or not."""
    connection = await connect(stack)
    try:
        async with connection.transaction():
            await ledger.post(
                connection,
                user_id=UUID(user_id),
                amount=MicroCredits(round(amount * from_credits(1))),
                kind=kind,
                source="test",
                source_id=str(new_uuid()),
            )
    finally:
        await connection.close()


async def leave_only(stack: Stack, user_id: str, amount: float) -> None:
    """Take from a new account what it has beyond `amount` credits."""
    connection = await connect(stack)
    try:
        async with connection.transaction():
            balance = await ledger.balance_of(connection, UUID(user_id))
            await ledger.adjust(
                connection,
                user_id=UUID(user_id),
                amount=MicroCredits(round(amount * from_credits(1)) - balance.balance),
                key=str(new_uuid()),
                reason="an exact balance",
                actor="test",
            )
    finally:
        await connection.close()


async def settled_exactly(stack: Stack, result: CallResult) -> LedgerCheck:
    """The bill of a call that nothing disturbed: its stopwatch, rounded up at most."""
    assert result.settled, result
    return await billed_between(
        stack, result, at_least_s=result.talked_s - TOLERANCE_S, at_most_s=result.talked_s
    )


async def billed_between(
    stack: Stack, result: CallResult, *, at_least_s: float, at_most_s: float
) -> LedgerCheck:
    """
    The call is closed, its books are right, and its seconds lie between these.

    A second that was begun is paid, so `at_most_s` is rounded up.
    """
    assert result.call_id
    check = await check_ledger(stack.database_url, result.call_id)
    assert check.faults == (), check.faults
    assert check.seconds == result.billed_s
    assert at_least_s <= check.seconds <= math.ceil(at_most_s), (check, result)
    return check


async def call_row(stack: Stack, call_id: str) -> asyncpg.Record:
    """What call_sessions says of a call."""
    connection = await connect(stack)
    try:
        row = await connection.fetchrow("select * from call_sessions where id = $1", UUID(call_id))
    finally:
        await connection.close()
    assert row is not None
    return row


async def violations(stack: Stack) -> list[str]:
    """What is wrong with the books of the whole stack."""
    connection = await connect(stack)
    try:
        rows = await connection.fetch("select invariant, key from invariant_violations limit 20")
    finally:
        await connection.close()
    return [f"{row['invariant']} ({row['key']})" for row in rows]
