"""
Forward-only migrations: numbered SQL files, applied once, each in its own transaction.

    python -m shared.migrate

Several releases may start at once: an advisory lock lets one through, the others find nothing to
do. A file that was applied and then edited is an error; write the next number instead.
"""

import asyncio
import hashlib
from pathlib import Path

import asyncpg

from shared.settings import PostgresSettings

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_ID = 7_310_001  # any constant; all releases must agree on it
_JOURNAL = """
create table if not exists schema_migrations(
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default clock_timestamp()
)
"""


class EditedMigration(Exception):
    """A migration was changed after it had been applied."""


async def migrate(dsn: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing; returns the names applied now, in order."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK_ID)
        await connection.execute(_JOURNAL)
        rows = await connection.fetch("select name, sha256 from schema_migrations")
        applied = {row["name"]: row["sha256"] for row in rows}
        return [
            path.name
            for path in sorted(folder.glob("*.sql"))
            if await _apply(connection, path, applied)
        ]
    finally:
        await connection.close()


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", path: Path, applied: dict[str, str]
) -> bool:
    text = path.read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    if path.name in applied:
        if applied[path.name] != digest:
            raise EditedMigration(f"{path.name} was edited after it had been applied")
        return False
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute(
            "insert into schema_migrations(name, sha256) values ($1, $2)", path.name, digest
        )
    return True


def main() -> None:
    dsn = PostgresSettings().database_url.get_secret_value()
    applied = asyncio.run(migrate(dsn))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")


if __name__ == "__main__":
    main()
