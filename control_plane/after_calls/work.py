"""
Works off calls that are over, in any number of processes: each belongs to whoever holds its lease.

The model is asked once for everything, outside of any transaction; what it found is written in one,
if the lease is still ours. Who dies in between leaves a lease that ends, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing.features import keeps_memories
from control_plane.after_calls.note_taker import NoteTaker, NoteTakerAway
from control_plane.after_calls.questions import Findings, NoFindings, Noted, findings, question
from control_plane.after_calls.retention import texts_until
from control_plane.after_calls.settings import AfterCallSettings
from control_plane.after_calls.wishes import Wishes, wishes_for
from control_plane.lanes import DATABASE_ERRORS, run_lanes
from control_plane.memories.desk import store_memory
from control_plane.memories.embedding import Embedder, embedded
from control_plane.memories.settings import MemorySettings
from control_plane.memories.texts import is_about
from control_plane.store import after_calls as store
from control_plane.store import call_preferences
from control_plane.store.after_calls import EndedCall, SpokenTurn
from control_plane.store.memories import NewMemory
from shared import metrics
from shared.db import Pool, Tx, transaction
from shared.ids import new_uuid
from shared.log import get_logger

log = get_logger(__name__)

SETTLE_S: Final = 5.0  # the agent's last report of what was said comes within 3 s of the end
LEASE_S: Final = 120.0  # twice the longest answer
ATTEMPTS_MAX: Final = 5
RETRY_FIRST_S: Final = 10.0  # then 20, 40, 80
TURNS_MAX: Final = 2_000


class AfterCallSettingsOfWork(AfterCallSettings, MemorySettings):
    """What this work needs of the settings."""


@dataclass(frozen=True, slots=True)
class Material:
    """All a question needs."""

    call: EndedCall
    lease: UUID
    wishes: Wishes
    turns: Sequence[SpokenTurn]
    forget: Sequence[str]


class AfterCallWork:
    """`note_taker` None: texts still go when they must."""

    def __init__(
        self,
        pool: Pool,
        *,
        note_taker: NoteTaker | None,
        embedder: Embedder,
        settings: AfterCallSettingsOfWork,
    ) -> None:
        self._pool = pool
        self._note_taker = note_taker
        self._embedder = embedder
        self._settings = settings

    async def run(self) -> None:
        """Until cancelled."""
        await run_lanes(self._settings.after_calls_at_once, self._work_or_leave, kind="after_call")

    async def work_once(self, call_id: UUID | None = None) -> str | None:
        """
        Take one call, or this one, and end its work: done, skipped, failed, or put_off. None: none
        was due.
        """
        lease = new_uuid()
        async with transaction(self._pool) as tx:
            call = await store.take(
                tx, lease=lease, settle_s=SETTLE_S, lease_s=LEASE_S, call_id=call_id
            )
            if call is None:
                return None
            material = await self._material(tx, call, lease)
        outcome = await self._worked(material)
        metrics.AFTER_CALLS.labels(outcome).inc()
        return outcome

    async def _work_or_leave(self) -> bool:
        try:
            return await self.work_once() is not None
        except DATABASE_ERRORS:
            raise
        except Exception:
            # Its lease ends, and it is tried again, ATTEMPTS_MAX times.
            log.exception("after_call_broke")
            return False

    async def _material(self, tx: Tx, call: EndedCall, lease: UUID) -> Material:
        wishes = wishes_for(call, self._settings)
        if wishes.memories and not await keeps_memories(tx, call.user_id):
            wishes = Wishes(headline=wishes.headline, analysis=wishes.analysis)
        turns: list[SpokenTurn] = []
        if wishes and self._note_taker:
            turns = await store.turns_of(
                tx, call_id=call.call_id, owner=call.user_id, limit=TURNS_MAX
            )
        forget = await store.forgets_of(tx, call_id=call.call_id, owner=call.user_id)
        return Material(call, lease, wishes, turns, forget)

    async def _worked(self, material: Material) -> str:
        call = material.call
        if call.attempts > ATTEMPTS_MAX:
            return await self._finish(material, Findings(), (), "failed")
        if not any(turn.role == "user" for turn in material.turns) or self._note_taker is None:
            return await self._finish(material, Findings(), (), "skipped")
        try:
            found = await self._ask(self._note_taker, material)
        except (NoteTakerAway, NoFindings) as problem:
            log.warning(
                "after_call_put_off", call_id=str(call.call_id), error=type(problem).__name__
            )
            return await self._put_off(material)
        texts = [memory.content for memory in found.memories]
        name, vectors = await embedded(self._embedder, texts)
        memories = [
            _memory(call, noted, embedder=name, embedding=vector)
            for noted, vector in zip(found.memories, vectors, strict=True)
        ]
        return await self._finish(material, found, memories, "done")

    async def _ask(self, note_taker: NoteTaker, material: Material) -> Findings:
        instructions, data = question(
            material.wishes,
            material.turns,
            language=material.call.language,
            forget=material.forget,
        )
        answer = await note_taker.answer(instructions, data)
        return findings(answer, material.wishes, forget=material.forget)

    async def _put_off(self, material: Material) -> str:
        call = material.call
        if call.attempts >= ATTEMPTS_MAX:
            return await self._finish(material, Findings(), (), "failed")
        wait_s = RETRY_FIRST_S * 2 ** (call.attempts - 1)
        async with transaction(self._pool) as tx:
            await store.put_off(tx, call_id=call.call_id, lease=material.lease, wait_s=wait_s)
        return "put_off"

    async def _finish(
        self, material: Material, found: Findings, memories: Sequence[NewMemory], state: str
    ) -> str:
        """Everything at once, or nothing when the lease was lost."""
        call = material.call
        async with transaction(self._pool) as tx:
            memory_mode = await store.lock(tx, call_id=call.call_id, lease=material.lease)
            if memory_mode is None:
                return "lost"
            # As it is now: somebody may have changed a setting or erased while the model wrote.
            preferences = await call_preferences.of_owner(tx, call.user_id)
            retention = preferences.retention or self._settings.call_retention
            if memory_mode == "lasting" and preferences.memory_mode != "off":
                forget = await store.forgets_of(tx, call_id=call.call_id, owner=call.user_id)
                await self._keep(tx, call, memories, forget)
            if found.analysis and retention != "none":
                await store.put_analysis(tx, call, found.analysis)
            await store.finish(
                tx,
                call_id=call.call_id,
                lease=material.lease,
                state=state,
                title=found.title if retention != "none" else None,
                highlights=found.highlights if retention != "none" else (),
                texts_until=texts_until(retention, call.ended_at),
            )
            if retention == "none":
                await store.drop_texts(tx, [call.call_id])
        return state

    async def _keep(
        self, tx: Tx, call: EndedCall, memories: Sequence[NewMemory], forget: Sequence[str]
    ) -> None:
        for memory in memories:
            if not any(is_about(memory.content, words) for words in forget):
                await store_memory(tx, call.user_id, memory, keep=self._settings.memories_max)


def _memory(call: EndedCall, noted: Noted, *, embedder: str, embedding: list[float]) -> NewMemory:
    return NewMemory(
        character_id=call.memory_target,
        memory_type=noted.slot,
        content=noted.content,
        source="call",
        call_id=call.call_id,
        embedder=embedder,
        embedding=embedding,
    )
