"""Worker groups that have reported, and whether there is room for one more call."""

from control_plane.errors import UnknownWorker
from control_plane.store import workers
from control_plane.store.workers import Capacity
from shared import metrics
from shared.db import Pool, Tx, transaction
from shared.errors import NoCapacity

WORKERS_MAX = 10_000  # remembered ids; forgetting all of them costs one query each
ADMISSION_LOCK_ID = 7_310_003  # any constant; one call is admitted at a time, across all processes
ALIVE_S = 6  # workers report every 2 s; two lost reports are not a death
RETRY_AFTER_S = 10  # calls end every few seconds where there are many of them


class KnownWorkers:
    """Ids that have reported at least once."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    async def check(self, pool: Pool, worker_id: str) -> None:
        """Raises UnknownWorker; asks the database once for each id."""
        if worker_id in self._ids:
            return
        async with transaction(pool) as tx:
            if not await workers.exists(tx, worker_id):
                raise UnknownWorker
        self.add(worker_id)

    def add(self, worker_id: str) -> None:
        if len(self._ids) >= WORKERS_MAX:
            self._ids.clear()
        self._ids.add(worker_id)


async def capacity(tx: Tx) -> Capacity:
    """What the live workers can hold and what is taken, kept in the gauges too."""
    now = await workers.capacity(tx, alive_s=ALIVE_S)
    metrics.AGENT_SLOTS.set(now.slots)
    metrics.OPEN_CALLS.set(now.open_calls)
    return now


async def admit(tx: Tx) -> None:
    """
    Let in the call that this very transaction has inserted. Raises NoCapacity.

    The lock is held until the transaction ends, so the next one counts this call too.
    """
    await workers.lock_admission(tx, ADMISSION_LOCK_ID)
    now = await capacity(tx)
    if now.taken > now.slots:
        raise NoCapacity(retry_after_s=RETRY_AFTER_S)
