"""The charging functions with one idea of the design taken out, for negative controls."""

import asyncpg

from shared.migrate import MIGRATIONS


async def patch(dsn: str, *changes: tuple[str, str]) -> None:
    """Redefine the charging functions with pieces of their text replaced."""
    sql = (MIGRATIONS / "0003_charging.sql").read_text()
    for old, new in changes:
        assert old in sql, f"the patch no longer fits: {old}"
        sql = sql.replace(old, new)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql.replace("create function", "create or replace function"))
    finally:
        await connection.close()


WATERMARK = (
    "call_cost(price, s1) - call_cost(price, s0), 'agent' from grants where s1 > s0)",
    "call_cost(price, upto), 'agent' from grants where upto > 0)",
)
HOLD = (
    "update credits c set reserved = c.reserved + d.x",
    "update credits c set reserved = c.reserved",
)
EPOCH = ("r.epoch = s.epoch and s.epoch > 0 as is_owner", "true as is_owner")
ABSOLUTE = (
    "least(r.upto, s.granted, plausible_seconds(s.started_at, s.answered_at)) believed",
    "least(s.seconds + r.upto, s.granted) believed",
)
LOCK_ORDER = (
    (
        "order by user_id for no key update",
        "order by md5(user_id::text || random()) for no key update",
    ),
    ("order by id for no key update", "order by md5(id::text || random()) for no key update"),
)
