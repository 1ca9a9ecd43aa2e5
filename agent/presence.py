"""
Is the caller there? Only one identity counts, and only as a person (browser or phone).

What a participant writes about itself (metadata, attributes, name) is never read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc

from shared.end_reasons import EndReason

PERSONS = (
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
)
# Ways to leave that mean it. All others are accidents: the caller may come back.
_MEANT: dict[int, EndReason] = {
    rtc.DisconnectReason.CLIENT_INITIATED: EndReason.CALLER_HANGUP,
    rtc.DisconnectReason.USER_REJECTED: EndReason.CALLER_HANGUP,
    rtc.DisconnectReason.USER_UNAVAILABLE: EndReason.CALLER_HANGUP,
    rtc.DisconnectReason.PARTICIPANT_REMOVED: EndReason.OPERATOR_ENDED,
    rtc.DisconnectReason.ROOM_DELETED: EndReason.OPERATOR_ENDED,
}


@dataclass(slots=True)
class Presence:
    """Follows one identity in one room and tells when it comes, is lost, or leaves for good."""

    room: rtc.Room
    identity: str
    on_come: Callable[[], None]
    on_lost: Callable[[], None]
    on_left: Callable[[EndReason], None]
    _sid: str = ""

    @property
    def is_here(self) -> bool:
        return bool(self._sid)

    @property
    def participant(self) -> rtc.RemoteParticipant | None:
        return self.room.remote_participants.get(self.identity) if self._sid else None

    def watch(self) -> None:
        self.room.on("participant_connected", self._on_connected)
        self.room.on("participant_disconnected", self._on_disconnected)
        for participant in self.room.remote_participants.values():
            self._on_connected(participant)

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self.identity or participant.kind not in PERSONS:
            return
        is_new = not self._sid
        self._sid = participant.sid
        if is_new:
            self.on_come()

    def _on_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.sid != self._sid:  # somebody else, or a former life of the caller
            return
        self._sid = ""
        reason = _MEANT.get(participant.disconnect_reason or 0)
        if reason:
            self.on_left(reason)
        else:
            self.on_lost()
