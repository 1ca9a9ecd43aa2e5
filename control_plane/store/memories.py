"""SQL of memories: short facts an account's characters know. Every statement is for one owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

LIST = """
select id, character_id, memory_type, content, source, call_id, created_at, updated_at, used_at
from agent_memories where user_id = $1 and ($2::text is null or character_id = $2)
order by updated_at desc, id desc limit $3
"""

FIND = """
select id, character_id, memory_type, content, source, call_id, created_at, updated_at, used_at
from agent_memories where user_id = $1 and id = $2
"""

# Words the owner has put right by hand are not replaced by what a model understood.
PUT = """
insert into agent_memories(id, user_id, character_id, memory_type, content, source, call_id,
  embedder, embedding)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (user_id, character_id, memory_type) do update set content = excluded.content,
  source = excluded.source, call_id = excluded.call_id, embedder = excluded.embedder,
  embedding = excluded.embedding, updated_at = clock_timestamp(), used_at = clock_timestamp()
where agent_memories.source <> 'owner' or excluded.source = 'owner'
"""

EDIT = """
update agent_memories set content = $3, source = 'owner', embedder = $4, embedding = $5,
  updated_at = clock_timestamp()
where user_id = $1 and id = $2 returning id
"""

# Whoever has most of one character loses what was used least lately.
PRUNE = """
delete from agent_memories where id in (
  select id from agent_memories where user_id = $1 and character_id = $2
  order by used_at desc, id desc offset $3)
"""

ERASE = """
delete from agent_memories where user_id = $1 and ($2::text is null or character_id = $2)
  and ($3::uuid is null or id = $3)
returning content
"""

# The work after a call that is still to come shall not bring it back.
FORGET_IN_OPEN_CALLS = """
insert into memory_forgets(call_id, words)
select a.call_id, w.words from after_calls a, unnest($2::text[]) w(words)
where a.user_id = $1 and a.state = 'open' on conflict do nothing
"""

SEED = """
select content, embedder, embedding from agent_memories
where user_id = $1 and character_id in ('__shared__', $2)
order by updated_at desc, id desc limit 1
"""

MATCH = """
select id, character_id, memory_type, content, similarity, text_rank
from memories_match_v1($1, $2, $3, $4, $5, $6)
"""

TOUCH = """
update agent_memories set used_at = clock_timestamp() where user_id = $1 and id = any($2::uuid[])
"""

VECTORS = "select memory_vectors_v1()"


@dataclass(frozen=True, slots=True)
class Memory:
    """`source`: call (a model wrote it after one), caller (said in one), owner (typed)."""

    id: UUID
    character_id: str
    memory_type: str
    content: str
    source: str
    call_id: UUID | None
    created_at: datetime
    updated_at: datetime
    used_at: datetime


@dataclass(frozen=True, slots=True)
class NewMemory:
    """`embedding` has the length that `embedder` makes."""

    character_id: str
    memory_type: str
    content: str
    source: str
    call_id: UUID | None
    embedder: str
    embedding: Sequence[float]


@dataclass(frozen=True, slots=True)
class Seed:
    """The newest memory, as a question for the ones that belong to it."""

    content: str
    embedder: str
    embedding: list[float]


@dataclass(frozen=True, slots=True)
class Match:
    """`similarity` -1 to 1, None for another embedder's; `text_rank` None: no word in common."""

    id: UUID
    character_id: str
    memory_type: str
    content: str
    similarity: float | None
    text_rank: float | None


async def list_memories(
    tx: Tx, *, owner: UUID, character_id: str | None = None, limit: int
) -> list[Memory]:
    """Newest first."""
    return [Memory(**row) for row in await tx.fetch(LIST, owner, character_id, limit)]


async def find(tx: Tx, *, owner: UUID, memory_id: UUID) -> Memory | None:
    row = await tx.fetchrow(FIND, owner, memory_id)
    return Memory(**row) if row else None


async def put(tx: Tx, *, owner: UUID, memory_id: UUID, memory: NewMemory) -> None:
    """Into its slot, in the place of what is there."""
    await tx.execute(
        PUT,
        memory_id,
        owner,
        memory.character_id,
        memory.memory_type,
        memory.content,
        memory.source,
        memory.call_id,
        memory.embedder,
        list(memory.embedding),
    )


async def edit(
    tx: Tx,
    *,
    owner: UUID,
    memory_id: UUID,
    content: str,
    embedder: str,
    embedding: Sequence[float],
) -> bool:
    """False when the owner has no such memory."""
    edited = await tx.fetchval(EDIT, owner, memory_id, content, embedder, list(embedding))
    return edited is not None


async def prune(tx: Tx, *, owner: UUID, character_id: str, keep: int) -> None:
    await tx.execute(PRUNE, owner, character_id, keep)


async def erase(
    tx: Tx, *, owner: UUID, character_id: str | None = None, memory_id: UUID | None = None
) -> list[str]:
    """What was erased: one memory, those of one character, or all."""
    rows = await tx.fetch(ERASE, owner, character_id, memory_id)
    return [row["content"] for row in rows]


async def forget_in_open_calls(tx: Tx, *, owner: UUID, words: Sequence[str]) -> None:
    await tx.execute(FORGET_IN_OPEN_CALLS, owner, list(words))


async def seed_of(tx: Tx, *, owner: UUID, character_id: str) -> Seed | None:
    row = await tx.fetchrow(SEED, owner, character_id)
    return Seed(**row) if row else None


async def match(
    tx: Tx,
    *,
    owner: UUID,
    character_id: str,
    words: str,
    embedder: str,
    embedding: Sequence[float],
    count: int,
) -> list[Match]:
    """The best by meaning and by words, best first."""
    rows = await tx.fetch(MATCH, owner, character_id, words, embedder, list(embedding), count)
    return [Match(**row) for row in rows]


async def touch(tx: Tx, *, owner: UUID, memory_ids: Sequence[UUID]) -> None:
    """They were used now."""
    await tx.execute(TOUCH, owner, list(memory_ids))


async def prepare_vectors(tx: Tx) -> str:
    """Who compares vectors from now on: `pgvector` or `plain` SQL."""
    installed: str = await tx.fetchval(VECTORS)
    return installed
