"""
Bills against the media server's own account of who was there, for the last day.

    python -m control_plane.reconcile      exit 0, or 1 and a line a call

An independent witness: webhooks take no part in billing, so a fault of our clock shows here.
"""

import asyncio
import sys

from billing.store import health
from billing.store.health import Violation
from control_plane.store.reconcile import Discrepancy, billed_beyond_presence
from shared.call_protocol import CALLER_IDENTITY
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings

LOOK_BACK_S = 26 * 3_600.0  # a day and the hours around it
TOLERANCE_S = 2  # both ends of a span are rounded to whole seconds
LISTED_MAX = 100


async def reconcile(pool: Pool) -> list[Discrepancy]:
    """The calls billed beyond their caller's presence, the worst first; kept as a check."""
    async with transaction(pool) as tx:
        found = await billed_beyond_presence(
            tx,
            look_back_s=LOOK_BACK_S,
            identity=CALLER_IDENTITY,
            tolerance_s=TOLERANCE_S,
            limit=LISTED_MAX,
        )
        rows = [Violation("billed beyond presence", str(call.call_id)) for call in found]
        await health.keep_check(tx, scope="media", found=rows)
    return found


async def _once() -> list[Discrepancy]:
    pool = await open_pool(PostgresSettings(), application_name="reconcile")
    try:
        return await reconcile(pool)
    finally:
        await pool.close()


def main() -> int:
    found = asyncio.run(_once())
    for call in found:
        print(f"{call.call_id}: billed {call.billed} s, the caller was there {call.present} s")
    if not found:
        print("no call was billed beyond its caller's presence")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
