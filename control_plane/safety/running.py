"""Calls that a minor began as somebody else: they end when minors' mode begins."""

from uuid import UUID

from control_plane.calls import end_call_room
from control_plane.services import Services
from control_plane.store import ages as store
from shared.call_protocol import Notice
from shared.db import transaction
from shared.end_reasons import ENDINGS, EndReason

NOTICE_S = 0.5  # the end of the room overtakes what was sent just before it


async def end_calls_outside_minors_mode(services: Services, user_id: UUID) -> None:
    """Their rooms go, and with them their agents, who bill what was talked."""
    async with transaction(services.pool) as tx:
        rooms = await store.rooms_outside_minors_mode(tx, user_id)
    notice = Notice(kind="ended", message=ENDINGS[EndReason.OPERATOR_ENDED].words)
    for room in rooms:
        ending = end_call_room(
            services.livekit, room.call_id, after_s=NOTICE_S, notice=notice, room_name=room.name
        )
        services.background.start(ending, kind="delete_room")
