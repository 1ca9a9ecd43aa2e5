"""
Proof, second by second, that the caller is really connected.

LiveKit tells of a caller who vanished without a word after some 15 seconds; nobody shall pay for
those. An open microphone sends packets at least every 0.4 s even in silence, so packets are proof.
A muted caller, or one without a microphone, is asked: any answer of the page proves it, also "I do
not know this method".
"""

import asyncio
from dataclasses import dataclass, field

from livekit import rtc

from agent.presence import Presence

PROBE_METHOD = "sexycall.alive"
PROBE_TIMEOUT_S = 0.9
_NO_ANSWER = frozenset(
    {
        rtc.RpcError.ErrorCode.CONNECTION_TIMEOUT,
        rtc.RpcError.ErrorCode.RESPONSE_TIMEOUT,
        rtc.RpcError.ErrorCode.RECIPIENT_DISCONNECTED,
        rtc.RpcError.ErrorCode.RECIPIENT_NOT_FOUND,
        rtc.RpcError.ErrorCode.SEND_FAILED,
    }
)


@dataclass(slots=True)
class Evidence:
    room: rtc.Room
    presence: Presence
    _packets: dict[str, int] = field(default_factory=dict)  # by track sid

    async def is_alive(self) -> bool:
        """Whether anything proves the caller connected since the last question."""
        participant = self.presence.participant
        if participant is None:
            return False
        track = _open_microphone(participant)
        if track is None:
            return await self._answers(participant.identity)
        return await self._has_sent(track)

    async def _has_sent(self, track: rtc.Track) -> bool:
        count = 0
        for stat in await track.get_stats():
            if stat.HasField("inbound_rtp"):
                count += stat.inbound_rtp.received.packets_received
        before = self._packets.get(track.sid, 0)
        self._packets = {track.sid: count}
        return count > before

    async def _answers(self, identity: str) -> bool:
        try:
            # The timeout of our own also covers the acknowledgement, for which the SDK waits 7 s.
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self.room.local_participant.perform_rpc(
                    destination_identity=identity, method=PROBE_METHOD, payload=""
                )
        except TimeoutError:
            return False
        except rtc.RpcError as error:
            return error.code not in _NO_ANSWER
        return True


def _open_microphone(participant: rtc.RemoteParticipant) -> rtc.Track | None:
    for publication in participant.track_publications.values():
        if publication.source != rtc.TrackSource.SOURCE_MICROPHONE or publication.muted:
            continue
        if publication.track:
            return publication.track
    return None
