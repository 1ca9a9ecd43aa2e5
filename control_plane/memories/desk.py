"""Keeping, finding and erasing memories, for their owner and for the tools of a call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from control_plane.memories.embedding import HASHED, Embedder, embedded, open_embedder
from control_plane.memories.settings import MemorySettings
from control_plane.memories.texts import content_of, is_about, plain_line, slot_of, words_of
from control_plane.store import after_calls
from control_plane.store import memories as store
from control_plane.store.memories import Match, Memory, NewMemory
from shared.db import Pool, Tx, transaction
from shared.errors import NotFound
from shared.ids import new_uuid

LISTED_MAX: Final = 5_000
RECALLED_MAX: Final = 5
# Hashed vectors of unrelated sentences reach 0.25, of one fact in other words 0.4 and more.
NEAR: Final = {HASHED: 0.4}
NEAR_ELSEWHERE: Final = 0.6
RELATED_SHARE: Final = 0.6  # of that, where a wrong one does no harm


class MemoryNotFound(NotFound):
    """Memory not found"""

    code = "memory_not_found"


@dataclass(frozen=True, slots=True)
class MemoryDesk:
    """Vectors are made before a transaction begins."""

    pool: Pool
    embedder: Embedder
    settings: MemorySettings

    async def all_of(self, owner: UUID, *, character_id: str | None = None) -> list[Memory]:
        async with transaction(self.pool) as tx:
            return await store.list_memories(
                tx, owner=owner, character_id=character_id, limit=LISTED_MAX
            )

    async def edit(self, owner: UUID, memory_id: UUID, content: str) -> Memory:
        """Raises Invalid, MemoryNotFound."""
        line = content_of(content)
        name, [vector] = await embedded(self.embedder, [line])
        async with transaction(self.pool) as tx:
            before = await store.find(tx, owner=owner, memory_id=memory_id)
            if before is None:
                raise MemoryNotFound
            await store.edit(
                tx, owner=owner, memory_id=memory_id, content=line, embedder=name, embedding=vector
            )
            await store.forget_in_open_calls(tx, owner=owner, words=[before.content])
            after = await store.find(tx, owner=owner, memory_id=memory_id)
            assert after is not None, "found in this transaction"
            return after

    async def keep(
        self,
        owner: UUID,
        *,
        character_id: str,
        content: str,
        slot: str,
        source: str,
        call_id: UUID | None,
    ) -> bool:
        """False: the call may leave no memories any more. Raises Invalid."""
        line = content_of(content)
        name, [vector] = await embedded(self.embedder, [line])
        memory = NewMemory(
            character_id=character_id,
            memory_type=slot_of(slot, content=line),
            content=line,
            source=source,
            call_id=call_id,
            embedder=name,
            embedding=vector,
        )
        async with transaction(self.pool) as tx:
            if call_id and not await after_calls.still_remembers(tx, call_id):
                return False
            await store_memory(tx, owner, memory, keep=self.settings.memories_max)
        return True

    async def recall(self, owner: UUID, *, character_id: str, words: str) -> list[Match]:
        """The best few, best first."""
        name, found = await self._found(owner, character_id=character_id, words=words)
        related = [match for match in found if is_related(match, name, words=words)]
        async with transaction(self.pool) as tx:
            await store.touch(tx, owner=owner, memory_ids=[match.id for match in related])
        return related

    async def _found(
        self, owner: UUID, *, character_id: str, words: str
    ) -> tuple[str, list[Match]]:
        """The nearest, whether near or not, and whose vectors these are."""
        line = plain_line(words)
        name, [vector] = await embedded(self.embedder, [line])
        async with transaction(self.pool) as tx:
            found = await store.match(
                tx,
                owner=owner,
                character_id=character_id,
                words=line,
                embedder=name,
                embedding=vector,
                count=RECALLED_MAX,
            )
        return name, found

    async def forget(self, owner: UUID, *, character_id: str, words: str) -> int:
        """Erase what this is about, and keep open calls from bringing it back; how many."""
        name, found = await self._found(owner, character_id=character_id, words=words)
        near = [match for match in found if is_near(match, name, words=words)]
        async with transaction(self.pool) as tx:
            for match in near:
                await store.erase(tx, owner=owner, memory_id=match.id)
            told = [line for line in (plain_line(words), *(m.content for m in near)) if line]
            await store.forget_in_open_calls(tx, owner=owner, words=told)
        return len(near)

    async def erase_one(self, owner: UUID, memory_id: UUID) -> None:
        """At once, and for the work after calls too. Raises MemoryNotFound."""
        async with transaction(self.pool) as tx:
            erased = await store.erase(tx, owner=owner, memory_id=memory_id)
            if not erased:
                raise MemoryNotFound
            await store.forget_in_open_calls(tx, owner=owner, words=erased)

    async def erase_all(self, owner: UUID, *, character_id: str | None = None) -> int:
        """All, or one character's. Calls placed before leave no memories there any more."""
        async with transaction(self.pool) as tx:
            # First: it waits for work that is just writing memories, which then go too.
            await after_calls.stop_remembering(tx, owner=owner, character_id=character_id)
            erased = await store.erase(tx, owner=owner, character_id=character_id)
            if character_id:  # another's call may speak of them
                await store.forget_in_open_calls(tx, owner=owner, words=erased)
        return len(erased)


async def store_memory(tx: Tx, owner: UUID, memory: NewMemory, *, keep: int) -> None:
    """Into its slot; of more than `keep` the one that was used least lately goes."""
    await store.put(tx, owner=owner, memory_id=new_uuid(), memory=memory)
    await store.prune(tx, owner=owner, character_id=memory.character_id, keep=keep)


def is_near(match: Match, embedder: str, *, words: str) -> bool:
    """Whether a match is what the words speak of: sure enough to erase it."""
    if match.similarity is not None and match.similarity >= NEAR.get(embedder, NEAR_ELSEWHERE):
        return True
    return is_about(match.content, words)


def is_related(match: Match, embedder: str, *, words: str) -> bool:
    """Whether a match may be told to somebody who asks for these words."""
    near = NEAR.get(embedder, NEAR_ELSEWHERE) * RELATED_SHARE
    if match.similarity is not None and match.similarity >= near:
        return True
    return not words_of(match.content).isdisjoint(words_of(words))


@asynccontextmanager
async def open_memories(pool: Pool, settings: MemorySettings) -> AsyncIterator[MemoryDesk]:
    """As configured, for as long as the block lasts."""
    embedder = open_embedder(settings)
    try:
        yield MemoryDesk(pool, embedder, settings)
    finally:
        await embedder.close()
