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


def uuid_or_none(text: str | None) -> UUID | None:
    """What was written as an id; None when it is none: texts of strangers may be anything."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def room_name_of(call_id: UUID) -> str:
    """The LiveKit room of a call. The prefix is the one upstream clients know."""
    return f"ro-{call_id}"


def call_id_of_room(room_name: str) -> CallId | None:
    """The call a room belongs to; None for a room that is not ours."""
    if not room_name.startswith("ro-"):
        return None
    call_id = uuid_or_none(room_name.removeprefix("ro-"))
    return CallId(call_id) if call_id else None
