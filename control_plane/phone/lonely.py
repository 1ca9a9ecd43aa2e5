"""
Telephone lines that nobody answers: the caller hears silence, the trunk costs money, and a room
with somebody in it never ends by itself.

A line without a call and without an agent, seen so twice in a row, is ended. An agent that holds
a reception or a call keeps its line; an error is not an absence.
"""

from dataclasses import dataclass, field

from control_plane.rooms_port import Rooms
from control_plane.store import phone
from shared.db import Pool, transaction
from shared.log import get_logger
from shared.phone_protocol import PHONE_ROOM_PREFIX

log = get_logger(__name__)


@dataclass(slots=True)
class LonelyLines:
    """`round` is to be called regularly: the time between two rounds is a line's last chance."""

    pool: Pool
    rooms: Rooms
    _suspects: set[str] = field(default_factory=set)

    async def round(self) -> int:
        """Lines ended. Raises Unavailable."""
        names = await self.rooms.room_names()
        lines = [name for name in names if name.startswith(f"{PHONE_ROOM_PREFIX}_")]
        async with transaction(self.pool) as tx:  # after the rooms: a line precedes its call
            await phone.purge_entries(tx)
            held = await phone.open_rooms(tx, lines) if lines else set()
        alone = {name for name in lines if name not in held and not await self._has_agent(name)}
        ended = alone & self._suspects
        for name in ended:
            log.warning("phone_line_without_agent")
            await self.rooms.delete_room(name)
        self._suspects = alone - ended
        return len(ended)

    async def _has_agent(self, name: str) -> bool:
        return any(participant.is_agent for participant in await self.rooms.participants(name))
