"""Whether and where a call remembers; decided when it is authorized, and frozen."""

from typing import Final, Literal
from uuid import UUID

from billing.features import keeps_memories
from control_plane.store import after_calls, call_preferences
from control_plane.store.after_calls import FrozenMemory
from control_plane.store.call_preferences import Preferences
from shared.db import Tx

SHARED: Final = "__shared__"  # upstream's name
NO_CHARACTER: Final = "__none__"  # calls with instructions of their own

MemoryMode = Literal["off", "call", "lasting"]
MemoryScope = Literal["character", "shared"]


async def freeze_memory(
    tx: Tx, *, call_id: UUID, user_id: UUID, asked: bool | None, character_id: UUID | None
) -> FrozenMemory:
    """`asked` is the request's `memory`; None: it did not say."""
    preferences = await call_preferences.of_owner(tx, user_id)
    mode = memory_mode(preferences, asked=asked)
    if mode == "lasting" and not await keeps_memories(tx, user_id):
        mode = "off"  # silently, as upstream does
    own = str(character_id) if character_id else NO_CHARACTER
    frozen = FrozenMemory(
        user_id=user_id,
        memory_mode=mode,
        memory_character=own,
        memory_target=SHARED if preferences.memory_scope == "shared" else own,
    )
    await after_calls.freeze(tx, call_id, frozen)
    return frozen


def memory_mode(preferences: Preferences, *, asked: bool | None) -> str:
    """What a person has switched off stays off; who never said anything is asked by the page."""
    if asked is False:
        return "off"
    return preferences.memory_mode or ("lasting" if asked else "off")
