"""Real rows through real functions: accounts with money, workers with slots, calls in any state."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from billing import ledger
from billing.accounts import account_for
from billing.money import MicroCredits, from_credits
from control_plane.store import workers
from shared.ids import new_uuid

ISSUER = "https://issuer.test"
TABLES = (
    "profiles credits credit_transactions call_sessions call_configs call_transcripts call_gaps "
    "usage_events webhook_inbox"
).split()


@dataclass(frozen=True, slots=True)
class Account:
    user_id: UUID
    email: str


async def account(
    connection: "asyncpg.Connection[asyncpg.Record]",
    *,
    balance: int = 10_000,
    paid: bool = False,
    email: str | None = None,
) -> Account:
    """An account with exactly `balance` credits; `paid` makes them bought ones."""
    email = email or f"{new_uuid().hex}@example.test"
    async with connection.transaction():
        profile = await account_for(
            connection, issuer=ISSUER, subject=email, email=email, signup_credits=0
        )
        if balance:
            await ledger.post(
                connection,
                user_id=profile.id,
                amount=from_credits(balance),
                kind="topup" if paid else "promo",
                source="test",
                source_id=str(new_uuid()),
            )
    return Account(profile.id, email)


async def take_credit(
    connection: "asyncpg.Connection[asyncpg.Record]", user_id: UUID, amount: int
) -> None:
    """A clawback; what is spent or held already becomes debt."""
    await ledger.post(
        connection,
        user_id=user_id,
        amount=MicroCredits(-from_credits(amount)),
        kind="dispute",
        source="test",
        source_id=str(new_uuid()),
    )


async def worker(
    connection: "asyncpg.Connection[asyncpg.Record]", *, slots: int = 100, worker_id: str = "w1"
) -> str:
    """A worker group that has just reported."""
    await workers.report(connection, worker_id=worker_id, slots=slots)
    return worker_id


async def fingerprint(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    """One value a table; equal fingerprints mean that no row was added, changed or removed."""
    return {
        table: await connection.fetchval(
            f"select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {table} t"
        )
        for table in TABLES
    }


async def violations(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """What is wrong with the books: nothing, one hopes."""
    rows = await connection.fetch("select invariant, key from invariant_violations")
    return [f"{row['invariant']}: {row['key']}" for row in rows]
