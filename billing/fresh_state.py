"""
Writing the present state of an object of Stripe's, with no lock held while Stripe is asked.

    await written_fresh(pool, charge_id, fetch=lambda: till.charge(charge_id), write=write)

Two workers who fetch and then write could write the older state last. Here each reads a counter,
fetches, and writes only if the counter is what it was; otherwise somebody wrote meanwhile, and what
was fetched may be older than that: it is fetched again. So every state written was fetched after
the one before it had been committed. A killed worker leaves nothing to clean up: there is no lease
to wait for and no connection is held, however slow Stripe is (an advisory lock would hold one).
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from billing.store import stripe_syncs
from shared.db import Pool, Tx, transaction
from shared.errors import Unavailable

ROUNDS_MAX: Final = 8  # in each somebody wrote; so many at once on one object are not ours

StateT = TypeVar("StateT")
ResultT = TypeVar("ResultT")


class StateKeepsChanging(Unavailable):
    """Too many at once work on this payment, please try again"""

    code = "state_keeps_changing"


async def written_fresh(
    pool: Pool,
    object_id: str,
    *,
    fetch: Callable[[], Awaitable[StateT]],
    write: Callable[[Tx, StateT], Awaitable[ResultT]],
) -> ResultT:
    """
    What `write` returned for a state that was fresh; all of its writes are one transaction.

    `fetch` may run several times. Raises what both raise, and StateKeepsChanging.
    """
    for _ in range(ROUNDS_MAX):
        async with transaction(pool) as tx:
            seen = await stripe_syncs.syncs_of(tx, object_id)
        state = await fetch()
        async with transaction(pool) as tx:
            if await stripe_syncs.begin(tx, object_id, seen=seen):
                return await write(tx, state)
    raise StateKeepsChanging
