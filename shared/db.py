"""
Postgres: one pool a process, one transaction a request.

Only `store/` modules hold SQL. Code below the edge takes a `Tx`; it never commits and never calls
the network while it holds one.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from shared.settings import PostgresSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Tx = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

else:  # the classes are generic in the stubs only
    Pool = asyncpg.Pool
    Tx = asyncpg.Connection

STATEMENT_TIMEOUT_S = 15  # a request that needs longer is a bug or an attack
CONNECT_TIMEOUT_S = 5


async def open_pool(settings: PostgresSettings, *, application_name: str) -> Pool:
    """A pool with JSON codecs. Raises OSError or asyncpg errors when Postgres is not there."""
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=1,
        max_size=settings.database_pool_max,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        init=_set_codecs,
        reset=_leave_as_it_is,
        server_settings={"application_name": application_name},
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Tx]:
    """One unit of work: committed when the block ends, rolled back when it raises."""
    async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection, connection.transaction():
        yield connection


async def _leave_as_it_is(_connection: "asyncpg.Connection[Any]") -> None:
    """No session state to undo: it is all in transactions. The default costs a round trip each."""


async def _set_codecs(connection: "asyncpg.Connection[Any]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
