"""
What a call is told of its caller: the newest memories and those that belong to them.

Nothing is asked of a server here, because the caller waits: the newest memory, with the vector it
was stored with, is the question. 5 ms of CPU for 300 memories (docs/decisions/0010).
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from control_plane.memories.choosing import SHARED
from control_plane.memories.settings import MemorySettings
from control_plane.memories.texts import token_count
from control_plane.store import after_calls
from control_plane.store import memories as store
from shared.db import Tx

RELATED_MAX: Final = 24
NEWEST_MAX: Final = 40  # read; the budget holds about 20 of usual length
QUOTES_TOKENS: Final = 4  # of what is around each


async def memories_of_call(tx: Tx, call_id: UUID, settings: MemorySettings) -> list[str]:
    """One line each, best first, within the token budget; none where the call remembers nothing."""
    frozen = await after_calls.frozen_of(tx, call_id)
    if frozen is None or frozen.memory_mode != "lasting":
        return []
    owner, character_id = frozen.user_id, frozen.memory_character
    seed = await store.seed_of(tx, owner=owner, character_id=character_id)
    if seed is None:
        return []
    related = await store.match(
        tx,
        owner=owner,
        character_id=character_id,
        words=seed.content,
        embedder=seed.embedder,
        embedding=seed.embedding,
        count=RELATED_MAX,
    )
    newest = await store.list_memories(tx, owner=owner, limit=NEWEST_MAX)
    own = [memory for memory in newest if memory.character_id in (SHARED, character_id)]
    found = [(m.id, m.content) for m in own[: len(own) // 2]]
    found += [(m.id, m.content) for m in related]
    found += [(m.id, m.content) for m in own]
    chosen = within_budget(found, tokens_max=settings.memory_tokens_max)
    await store.touch(tx, owner=owner, memory_ids=list(chosen))
    return list(chosen.values())


def within_budget(found: Iterable[tuple[UUID, str]], *, tokens_max: int) -> dict[UUID, str]:
    """The first of each id, in order, as long as there is room; a shorter one may still fit."""
    chosen: dict[UUID, str] = {}
    left = tokens_max
    for memory_id, content in found:
        needed = token_count(content) + QUOTES_TOKENS
        if memory_id not in chosen and needed <= left:
            chosen[memory_id] = content
            left -= needed
    return chosen
