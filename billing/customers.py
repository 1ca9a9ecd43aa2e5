"""Who somebody is at Stripe: one customer an account, intended here before Stripe is asked."""

from uuid import UUID

from billing.errors import AccountFrozen
from billing.store import customers as store
from billing.stripe_objects import Till
from shared.db import Pool, transaction
from shared.errors import NotFound


async def customer_of(pool: Pool, till: Till, user_id: UUID) -> str:
    """
    The customer of an account, made at Stripe when there is none. Opens its own transactions.

    Two at once, or one after a crash, get the same customer: the key is the account's. Raises
    NotFound for an unknown account, AccountFrozen for one that may start nothing, TillAway.
    """
    async with transaction(pool) as tx:
        buyer = await store.intend(tx, user_id)
    if buyer is None:
        raise NotFound("Account not found")
    if buyer.is_frozen:
        raise AccountFrozen
    if buyer.customer:
        return buyer.customer
    made = await till.create_customer(
        user_id=str(user_id), email=buyer.email, key=f"customer:{user_id}"
    )
    async with transaction(pool) as tx:
        await store.record(tx, user_id, made)
        known = await store.customer_of(tx, user_id)
    assert known is not None, "recorded by us or by somebody else"
    return known
