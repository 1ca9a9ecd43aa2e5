"""What tools in a call get: facts of their own call and account, and nothing that they name."""

from collections.abc import Set as AbstractSet
from typing import Literal
from uuid import UUID

from billing.errors import CallClosed, CallNotFound
from billing.money import MICRO
from billing.pricing import affordable_seconds, call_cost
from control_plane.memories.choosing import SHARED
from control_plane.memories.desk import MemoryDesk
from control_plane.settings import CallToolSettings
from control_plane.store import after_calls, call_preferences
from control_plane.store import call_tools as store
from control_plane.store.after_calls import FrozenMemory
from control_plane.store.call_tools import OpenCall
from shared.db import Pool, Tx, transaction
from shared.errors import Fenced
from shared.tool_protocol import (
    CreditLeft,
    Forget,
    Forgotten,
    Recall,
    Recalled,
    Remember,
    Remembered,
)

MEMORY_TOOLS = frozenset({"remember", "forget", "recall"})

Limit = Literal["credit", "monthly_cap", "free_allowance", "longest_call"]


async def tools_of_call(tx: Tx, call_id: UUID, settings: CallToolSettings) -> list[str]:
    """The names of what is offered in a call: memory where it remembers, links where there are."""
    frozen = await after_calls.frozen_of(tx, call_id)
    refused: AbstractSet[str] = set() if frozen and frozen.memory_mode != "off" else MEMORY_TOOLS
    if frozen and frozen.memory_mode == "call":
        refused = {"recall"}  # nothing is written down that could be found
    if not settings.links:
        refused = refused | {"send_link"}
    return [name for name in settings.tool_names if name not in refused]


async def owned_call(tx: Tx, call_id: UUID, *, epoch: int) -> OpenCall:
    """The call, if this agent holds it now. Raises CallNotFound, CallClosed, Fenced."""
    call = await store.open_call(tx, call_id)
    if call is None:
        raise CallNotFound
    if call.state not in {"active", "authorized"}:
        raise CallClosed
    if call.epoch != epoch or epoch == 0:
        raise Fenced
    return call


def credit_left(call: OpenCall, *, seconds: int) -> CreditLeft:
    """From second `seconds` of the call on, as the agent counts it."""
    used = min(max(seconds, call.seconds), call.granted)
    affordable = call.granted + affordable_seconds(call.price, call.available)
    held = call_cost(call.price, call.granted) - call_cost(call.price, used)
    return CreditLeft(
        seconds=max(min(affordable, call.longest) - used, 0),
        credits=(call.available + held) // MICRO,
        limited_by=_limit(call, affordable),
    )


def _limit(call: OpenCall, affordable: int) -> Limit:
    if affordable < call.longest:
        return "monthly_cap" if call.is_capped else "credit"
    return "longest_call" if call.longest >= call.max_seconds else "free_allowance"


async def remember(pool: Pool, desk: MemoryDesk, call_id: UUID, order: Remember) -> Remembered:
    """Raises Invalid, and what `owned_call` raises."""
    frozen = await _memory_of(pool, call_id, epoch=order.epoch)
    if frozen.memory_mode == "lasting":
        is_kept = await desk.keep(
            frozen.user_id,
            character_id=frozen.memory_target,
            content=order.fact,
            slot=order.slot,
            source="caller",
            call_id=call_id,
        )
        return Remembered(kept="lasting" if is_kept else "call")
    return Remembered(kept="call" if frozen.memory_mode == "call" else "off")


async def forget(pool: Pool, desk: MemoryDesk, call_id: UUID, order: Forget) -> Forgotten:
    """Also what was said in this call and would be remembered after it."""
    frozen = await _memory_of(pool, call_id, epoch=order.epoch)
    if frozen.memory_mode != "lasting":
        return Forgotten(count=0)
    count = await desk.forget(
        frozen.user_id, character_id=frozen.memory_character, words=order.words
    )
    return Forgotten(count=count)


async def recall(pool: Pool, desk: MemoryDesk, call_id: UUID, order: Recall) -> Recalled:
    frozen = await _memory_of(pool, call_id, epoch=order.epoch)
    if frozen.memory_mode != "lasting":
        return Recalled(memories=[])
    found = await desk.recall(
        frozen.user_id, character_id=frozen.memory_character, words=order.words
    )
    return Recalled(memories=[match.content for match in found])


async def _memory_of(pool: Pool, call_id: UUID, *, epoch: int) -> FrozenMemory:
    async with transaction(pool) as tx:
        call = await owned_call(tx, call_id, epoch=epoch)
        frozen = await after_calls.frozen_of(tx, call_id)
        preferences = await call_preferences.of_owner(tx, call.user_id)
    if frozen is None or preferences.memory_mode == "off":  # switched off while the call runs
        return FrozenMemory(call.user_id, "off", SHARED, SHARED)
    return frozen
