"""What the jobs need of the media server; `livekit_gateway.py` is the real one."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.call_protocol import Notice


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a room. `sid` is new at each join; an identity may come back."""

    identity: str
    sid: str
    is_agent: bool
    is_phone: bool = False


class Rooms(Protocol):
    """Every method raises `Unavailable` when the media server does not answer in time."""

    async def participants(self, room_name: str) -> list[Participant]:
        """Who is in the room; empty when there is no such room."""
        ...

    async def room_names(self) -> list[str]: ...

    async def delete_room(self, room_name: str) -> None:
        """Send everybody away; a room that is gone already is fine."""
        ...

    async def send_notice(self, room_name: str, notice: Notice) -> None: ...

    async def dispatch_agent(self, room_name: str, call_id: UUID) -> None:
        """Ask for an agent in an existing room."""
        ...
