"""SQL of accounts and the ledger."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

OPEN_ACCOUNT = """
with profile as (
  insert into profiles(id, issuer, subject, email) values ($1, $2, $3, $4)
  on conflict (issuer, subject) do nothing returning id)
insert into credits(user_id) select id from profile
returning user_id
"""

FIND_PROFILE = """
select id, email, role, frozen_at from profiles where issuer = $1 and subject = $2
"""

LOCK_BALANCE = """
select user_id, balance, reserved, debt, paid,
  greatest(credit_free(balance, reserved, spend_cap, spent, month_ends), 0) as spendable
from credit_refresh_v1($1)
"""

VISIT_BALANCE = """
select user_id, balance, reserved, debt, paid,
  greatest(credit_free(balance, reserved, spend_cap, spent, month_ends), 0) as spendable
from credit_visit_v1($1)
"""

BALANCE = """
select user_id, balance, reserved, debt, paid,
  greatest(credit_free(balance, reserved, spend_cap, spent, month_ends), 0) as spendable
from credits where user_id = $1
"""

POST = "select credit_post_v2($1, $2, $3, $4, $5, $6, $7, $8)"


@dataclass(frozen=True, slots=True)
class Profile:
    id: UUID
    email: str | None
    role: str
    frozen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Balance:
    """
    Micro-credits. `available` is what no running work holds; `spendable` is what a new hold may
    take: that, and no more than the spending cap of the month leaves.
    """

    user_id: UUID
    balance: int
    reserved: int
    debt: int
    paid: bool
    spendable: int

    @property
    def available(self) -> int:
        return self.balance - self.reserved


async def insert_account(
    tx: Tx, *, user_id: UUID, issuer: str, subject: str, email: str | None
) -> bool:
    """False when this subject has an account already."""
    return await tx.fetchval(OPEN_ACCOUNT, user_id, issuer, subject, email) is not None


async def find_profile(tx: Tx, *, issuer: str, subject: str) -> Profile | None:
    row = await tx.fetchrow(FIND_PROFILE, issuer, subject)
    return Profile(**row) if row else None


async def balance_of(tx: Tx, user_id: UUID) -> Balance | None:
    row = await tx.fetchrow(BALANCE, user_id)
    return Balance(**row) if row else None


async def lock_balance(tx: Tx, user_id: UUID) -> Balance | None:
    """
    Serialises all money moves of one account until the transaction ends.

    Brings it up to date first: what has expired goes, the daily credits of today come.
    """
    row = await tx.fetchrow(LOCK_BALANCE, user_id)
    return Balance(**row) if row else None


async def visit(tx: Tx, user_id: UUID) -> Balance | None:
    """Brought up to date like `lock_balance`, but locked only when there is something to do."""
    row = await tx.fetchrow(VISIT_BALANCE, user_id)
    return Balance(**row) if row else None


async def post(
    tx: Tx,
    *,
    user_id: UUID,
    amount: int,
    kind: str,
    source: str,
    source_id: str,
    reason: str | None,
    actor: str | None,
    expires_at: datetime | None,
) -> bool:
    posted: bool = await tx.fetchval(
        POST, user_id, amount, kind, source, source_id, reason, actor, expires_at
    )
    return posted
