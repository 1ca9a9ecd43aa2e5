"""Says the service's own sentences to a caller, before there is a model that could."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livekit import rtc

from agent.sentences import CannotSpeak, Sentences
from agent.sound import BYTES_PER_S, RATE_HZ, frames_of

CHUNK_S = 0.1
QUEUE_MS = 200
ANSWER_MAX_S = 40.0  # the trunk gives up ringing after 30 s, see livekit.yaml


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence and the language it is in."""

    words: str
    language: str


class Speaker:
    """A track of its own, with silence in between: trunks hang up on a line without sound."""

    def __init__(
        self, room: rtc.Room, sentences: Sentences, *, until_answered: Callable[[], Awaitable[None]]
    ) -> None:
        self._room = room
        self._sentences = sentences
        self._until_answered = until_answered
        self._source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        self._sid = ""

    async def open(self, first: Line) -> None:
        """
        Take the call, once there is something to say. Raises CannotSpeak, and then it still rings.

        The SIP service rings until somebody publishes sound, and answers then: whoever waits for
        the answer before publishing waits for ever.
        """
        if self._sid:
            return
        await self._sentences.pcm(first.words, first.language)
        track = rtc.LocalAudioTrack.create_audio_track("reception", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self._room.local_participant.publish_track(track, options)
        self._sid = publication.sid
        try:
            async with asyncio.timeout(ANSWER_MAX_S):
                await publication.wait_for_subscription()
                await self._until_answered()
        except TimeoutError:
            raise CannotSpeak("not answered") from None

    async def say(self, *lines: Line) -> None:
        """Returns when all was said. Falls silent at once when cancelled. Raises CannotSpeak."""
        making = [asyncio.create_task(self._made(line)) for line in lines]
        try:
            for made in making:
                await self._play(await made)
            await self._source.wait_for_playout()
        except asyncio.CancelledError:
            self._source.clear_queue()
            raise
        finally:
            for made in making:
                made.cancel()
            await asyncio.gather(*making, return_exceptions=True)

    async def _made(self, line: Line) -> bytes:
        return await self._sentences.pcm(line.words, line.language)

    async def _play(self, pcm: bytes) -> None:
        for frame in frames_of(pcm, frame_bytes=int(CHUNK_S * BYTES_PER_S)):
            await self._source.capture_frame(frame)

    async def close(self) -> None:
        if self._sid and self._room.isconnected():
            await self._room.local_participant.unpublish_track(self._sid)
        await self._source.aclose()
