"""
Check that the books are right.

    python -m billing.invariants      exit 0 and "books are right", or 1 and a line a violation

The invariants I1-I8 are the view `invariant_violations`; they must hold at every instant, in one
snapshot, whatever runs at the time.
"""

import asyncio
import sys

from billing.store import health
from billing.store.health import Violation
from shared.db import open_pool, transaction
from shared.settings import PostgresSettings

LISTED_MAX = 100  # rows shown; one is already an incident


async def check(settings: PostgresSettings) -> list[Violation]:
    """All violations, at most `LISTED_MAX`."""
    pool = await open_pool(settings, application_name="invariants")
    try:
        async with transaction(pool) as tx:
            return await health.violations(tx, limit=LISTED_MAX)
    finally:
        await pool.close()


def main() -> int:
    found = asyncio.run(check(PostgresSettings()))
    for violation in found:
        print(f"{violation.invariant}: {violation.key}")
    if not found:
        print("books are right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
