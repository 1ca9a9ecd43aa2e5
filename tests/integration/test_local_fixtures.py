"""The fixtures that other tests stand on."""

import asyncpg
from redis.asyncio import Redis


async def test_a_test_gets_a_database_with_all_migrations(db_dsn: str) -> None:
    connection = await asyncpg.connect(db_dsn)
    try:
        applied = await connection.fetchval("select count(*) from schema_migrations")
        assert applied >= 0
        await connection.execute("create table left_behind()")
    finally:
        await connection.close()


async def test_a_test_sees_nothing_of_another(db_dsn: str) -> None:
    connection = await asyncpg.connect(db_dsn)
    try:
        assert await connection.fetchval("select to_regclass('left_behind')") is None
    finally:
        await connection.close()


async def test_redis_answers(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    try:
        assert await client.ping()
    finally:
        await client.aclose()
