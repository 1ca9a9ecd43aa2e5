"""SQL of the texts an operator may reword: versions that only grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

NEWEST = """
select distinct on (name, variant) name, variant, version, body from texts
where name = any($1::text[]) and variant = any($2::text[])
order by name, variant, version desc
"""

NEWEST_OF_ALL = """
select distinct on (name, variant) name, variant, version, body from texts
order by name, variant, version desc limit $1
"""

HISTORY = """
select version, body, restores, actor, reason, created_at from texts
where name = $1 and variant = $2 order by version desc limit $3
"""

BODY_OF = "select body from texts where name = $1 and variant = $2 and version = $3"

# Two writers at once: the second finds its number taken and is told so.
LOCK = "select pg_advisory_xact_lock(7310030, hashtext($1 || '/' || $2))"

PUBLISH = """
insert into texts(name, variant, version, body, restores, actor, reason)
select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6
from texts where name = $1 and variant = $2
returning version
"""


@dataclass(frozen=True, slots=True)
class Text:
    name: str
    variant: str
    version: int
    body: str


@dataclass(frozen=True, slots=True)
class Version:
    """`restores`: the version whose words these are again."""

    version: int
    body: str
    restores: int | None
    actor: str
    reason: str
    created_at: datetime


async def newest(tx: Tx, *, names: Sequence[str], variants: Sequence[str]) -> list[Text]:
    rows = await tx.fetch(NEWEST, list(names), list(variants))
    return [Text(**row) for row in rows]


async def newest_of_all(tx: Tx, *, limit: int) -> list[Text]:
    return [Text(**row) for row in await tx.fetch(NEWEST_OF_ALL, limit)]


async def history(tx: Tx, *, name: str, variant: str, limit: int) -> list[Version]:
    """The newest first."""
    return [Version(**row) for row in await tx.fetch(HISTORY, name, variant, limit)]


async def body_of(tx: Tx, *, name: str, variant: str, version: int) -> str | None:
    body: str | None = await tx.fetchval(BODY_OF, name, variant, version)
    return body


async def publish(
    tx: Tx,
    *,
    name: str,
    variant: str,
    body: str,
    restores: int | None,
    actor: str,
    reason: str,
) -> int:
    """The number of the new version."""
    await tx.execute(LOCK, name, variant)
    version: int = await tx.fetchval(PUBLISH, name, variant, body, restores, actor, reason)
    return version
