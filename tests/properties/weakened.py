"""The charging functions with one idea of the design taken out, for negative controls."""

import asyncpg

# As they are now, whichever migration made them.
FUNCTIONS = """
select pg_get_functiondef(p.oid) from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and strpos(p.prosrc, $1) > 0
"""


async def patch(dsn: str, *changes: tuple[str, str]) -> None:
    """Redefine the charging functions with pieces of their text replaced."""
    connection = await asyncpg.connect(dsn)
    try:
        for old, new in changes:
            found = await connection.fetch(FUNCTIONS, old)
            assert found, f"the patch no longer fits: {old}"
            for row in found:
                await connection.execute(row[0].replace(old, new))
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
