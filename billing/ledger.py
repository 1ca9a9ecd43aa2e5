"""The only writer of credit_transactions: every credit in and every correction, exactly once."""

from datetime import datetime
from uuid import UUID

from billing.money import MicroCredits
from billing.store import accounts
from billing.store.accounts import Balance
from shared.db import Tx
from shared.errors import NotFound


async def post(
    tx: Tx,
    *,
    user_id: UUID,
    amount: MicroCredits,
    kind: str,
    source: str,
    source_id: str,
    reason: str | None = None,
    actor: str | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """
    Post once per (source, source_id); False when it was there already.

    Credit pays debt first; the rest is a lot, which ends at `expires_at`, or never. A negative
    amount takes free credit, that of the same payment first; what is spent or held becomes debt.
    """
    assert kind not in {"call", "generation"}, "only closing a charge debits it"
    return await accounts.post(
        tx,
        user_id=user_id,
        amount=amount,
        kind=kind,
        source=source,
        source_id=source_id,
        reason=reason,
        actor=actor,
        expires_at=expires_at,
    )


async def adjust(
    tx: Tx, *, user_id: UUID, amount: MicroCredits, key: str, reason: str, actor: str
) -> bool:
    """The only correction after a charge was closed. `key` makes a repeated one a no-op."""
    if not reason or not actor:
        raise ValueError("an adjustment names its reason and its actor")
    return await post(
        tx,
        user_id=user_id,
        amount=amount,
        kind="adjust",
        source="adjust",
        source_id=key,
        reason=reason,
        actor=actor,
    )


async def balance_of(tx: Tx, user_id: UUID) -> Balance:
    """The account's money. Raises NotFound for an unknown account."""
    balance = await accounts.balance_of(tx, user_id)
    if balance is None:
        raise NotFound("Account not found")
    return balance


async def visit(tx: Tx, user_id: UUID) -> Balance:
    """`balance_of` for who looks at it: without what expired, with the day's free credits."""
    balance = await accounts.visit(tx, user_id)
    if balance is None:
        raise NotFound("Account not found")
    return balance
