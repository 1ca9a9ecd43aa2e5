"""
The end of credit: what has expired leaves the balance, as ledger rows of their own kind.

Credit that running work holds stays until that work ends; closing it takes the rest. An account is
brought up to date whenever it starts something, so this sweep is for those who are away. Every
batch is one transaction: what a crash leaves undone is due again next time, and nothing is taken
twice because a lot's remaining only falls.
"""

from typing import Final

from billing.store import lots as store
from shared.db import Pool, transaction

LOTS_MAX: Final = 500  # of one batch; their accounts are locked together, for some milliseconds
BATCHES_MAX: Final = 200  # a round; the rest has waited so long that it can wait for the next


async def expire_due(pool: Pool, *, lots_max: int = LOTS_MAX) -> int:
    """One round; returns how many accounts lost something. Busy accounts are left for later."""
    expired, page = 0, None
    for _ in range(BATCHES_MAX):
        async with transaction(pool) as tx:
            page = await store.sweep(tx, lots_max=lots_max, after=page)
        expired += page.accounts
        if page.lots < lots_max:
            break
    return expired
