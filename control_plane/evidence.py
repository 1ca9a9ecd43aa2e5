"""Looking into a room, with three answers: an error is never an absence."""

from billing.reaper import UNSEEN, Evidence, Sighting
from control_plane.rooms_port import Rooms
from shared.call_protocol import CALLER_IDENTITY
from shared.errors import Unavailable
from shared.log import get_logger

log = get_logger(__name__)


async def look_into(rooms: Rooms, room_name: str) -> Sighting:
    """Who is in the room right now."""
    try:
        present = await rooms.participants(room_name)
    except Unavailable:
        log.warning("evidence_unknown", dependency="livekit")
        return UNSEEN
    return Sighting(
        caller=_evidence(any(p.identity == CALLER_IDENTITY or p.is_phone for p in present)),
        agent=_evidence(any(p.is_agent for p in present)),
    )


def _evidence(is_there: bool) -> Evidence:
    return Evidence.PRESENT if is_there else Evidence.ABSENT
