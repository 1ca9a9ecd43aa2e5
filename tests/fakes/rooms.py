"""Rooms that can be looked into, or not: the media server's side of the jobs."""

from dataclasses import dataclass, field
from uuid import UUID

from control_plane.rooms_port import Participant, Rooms
from shared.call_protocol import Notice
from shared.errors import Unavailable


@dataclass
class ScriptedRooms:
    """`present` maps a room to who is in it; `is_down` makes every request fail."""

    present: dict[str, list[Participant]] = field(default_factory=dict)
    is_down: bool = False
    deleted: list[str] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    dispatched: list[UUID] = field(default_factory=list)

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable

    async def participants(self, room_name: str) -> list[Participant]:
        self._answer()
        return self.present.get(room_name, [])

    async def room_names(self) -> list[str]:
        self._answer()
        return list(self.present)

    async def delete_room(self, room_name: str) -> None:
        self._answer()
        self.present.pop(room_name, None)
        self.deleted.append(room_name)

    async def send_notice(self, room_name: str, notice: Notice) -> None:
        self._answer()
        self.notices.append((room_name, notice.kind))
        self.words.append(notice.message)

    async def dispatch_agent(self, room_name: str, call_id: UUID) -> None:
        self._answer()
        assert room_name
        self.dispatched.append(call_id)


_: Rooms = ScriptedRooms()
