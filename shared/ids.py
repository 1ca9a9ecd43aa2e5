"""Identifiers. UUIDv7, so that rows made together lie together in an index."""

from typing import NewType
from uuid import UUID

import uuid_utils.compat

UserId = NewType("UserId", UUID)
CallId = NewType("CallId", UUID)
VoiceId = NewType("VoiceId", UUID)


def new_uuid() -> UUID:
    """A time-ordered standard-library UUID (the plain uuid_utils type is refused by asyncpg)."""
    return uuid_utils.compat.uuid7()


def new_call_id() -> CallId:
    """The public id of a call; also the only thing a dispatch tells the agent."""
    return CallId(new_uuid())


def room_name_of(call_id: UUID) -> str:
    """The LiveKit room of a call. The prefix is the one upstream clients know."""
    return f"ro-{call_id}"


def call_id_of_room(room_name: str) -> CallId | None:
    """The call a room belongs to; None for a room that is not ours."""
    if not room_name.startswith("ro-"):
        return None
    try:
        return CallId(UUID(room_name.removeprefix("ro-")))
    except ValueError:
        return None
