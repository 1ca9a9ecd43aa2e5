"""
The agent's voice on the wire: paces what the model said into a published track.

The framework's own output publishes its track only after the caller has come, wakes the event loop
20 times a second for each speaker, and cannot say when the first sound really left. Ours is
published before the caller arrives, sends longer chunks, and knows what was heard.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io
from livekit.rtc.participant import UnpublishTrackError

from agent.recording.overheard import OverheardSource, Overhears
from agent.sound import BYTES_PER_S, RATE_HZ, frame_of, frames_of
from shared.call_protocol import TRACK_VOICE
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

CHUNK_S = 0.1
FIRST_S = 0.02  # begins a turn: models speak faster than time, so the rest comes soon enough
AHEAD_S = 0.2  # audio in the engine's queue: survives a busy event loop, and is cut at a barge-in
QUEUE_MS = 1000  # the engine's own bound; AHEAD_S stays far below it
BUFFER_MAX_S = 300.0  # a model that says more in one turn has gone mad
BITRATE = 32_000  # speech in Opus is transparent here

_CHUNK_BYTES = int(BYTES_PER_S * CHUNK_S)
_FIRST_BYTES = int(BYTES_PER_S * FIRST_S)


@dataclass(frozen=True, slots=True)
class Interjection:
    """As `agent.sound` has it. `on_end` is called when all of it was said, or the gate closed."""

    pcm: bytes
    on_end: Callable[[], None]


class VoiceOutput(io.AudioOutput):
    """`on_first_audio` is called once, when the first sound was handed to the network."""

    def __init__(
        self,
        room: rtc.Room,
        clock: Clock,
        on_first_audio: Callable[[], None],
        *,
        track_name: str = TRACK_VOICE,
    ) -> None:
        super().__init__(
            label="voice",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=RATE_HZ,
        )
        self._room = room
        self._track_name = track_name
        self._clock = clock
        self._on_first_audio: Callable[[], None] | None = on_first_audio
        self._source = OverheardSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        self._buffer = bytearray()
        self._is_open = False  # a turn is being captured or played
        self._is_complete = False  # nothing more comes for this turn
        self._captured_s = 0.0
        self._sent_s = 0.0
        self._text = ""  # what the model says in this turn
        self._more = asyncio.Event()
        self._gate = asyncio.Event()
        self._paused = False
        self._interjection: Interjection | None = None
        self._is_interjecting = False
        self._pacing: asyncio.Task[None] | None = None
        self._sid = ""

    async def publish(self) -> None:
        """Publish the track; returns when somebody hears it."""
        track = rtc.LocalAudioTrack.create_audio_track(self._track_name, self._source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            dtx=True,
            red=False,
        )
        options.audio_encoding.max_bitrate = BITRATE
        publication = await self._room.local_participant.publish_track(track, options)
        self._sid = publication.sid
        self._pacing = asyncio.create_task(self._pace(), name="voice_output")
        await publication.wait_for_subscription()

    def overhear(self, listener: Overhears) -> None:
        """Tell somebody what is really played."""
        self._source.listener = listener

    def open_gate(self) -> None:
        """The caller hears us from now on; until then speech waits."""
        self._gate.set()

    def close_gate(self) -> None:
        self._gate.clear()

    def begin_text(self) -> None:
        """The words of the next turn follow."""
        self._text = ""

    def note_text(self, delta: str) -> None:
        """Words of the present turn, to cut them where the voice was cut."""
        self._text += delta

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._is_open:
            self._is_open, self._is_complete = True, False
            self._captured_s = self._sent_s = 0.0
        if self._captured_s < BUFFER_MAX_S:
            self._buffer += frame.data.cast("b")
            self._captured_s += frame.duration
        self._more.set()

    def flush(self) -> None:
        super().flush()
        self._is_complete = True
        self._more.set()

    def clear_buffer(self) -> None:
        """Barge-in: stop now and report how far the voice had come."""
        if not self._is_open:
            return
        self._buffer.clear()
        played_s = self._sent_s
        if not self._is_interjecting:  # else the queue holds nothing of this turn
            played_s = max(played_s - self._source.queued_duration, 0.0)
            self._source.clear_queue()
        heard = min(played_s / self._captured_s, 1.0) if self._captured_s else 0.0
        self._finish(played_s, interrupted=True, transcript=cut_text(self._text, heard))

    def interject(self, pcm: bytes, on_end: Callable[[], None]) -> None:
        """
        Say what is no turn of the model's, once nothing of it waits to be said.

        Nobody is told of a playback: it starts no clock, and no transcript has it.
        """
        self._interjection = Interjection(pcm, on_end)
        self._more.set()

    def drop_interjection(self) -> bool:
        """Forget one that has not begun; whether one is being said, and goes on to its end."""
        self._interjection = None
        return self._is_interjecting

    def pause(self) -> None:
        super().pause()
        self._paused = True

    def resume(self) -> None:
        super().resume()
        self._paused = False
        self._more.set()

    async def retire(self) -> None:
        """Said all it had to say: a track without sound costs as much as one that speaks."""
        try:
            if self._sid and self._room.isconnected():
                await self._room.local_participant.unpublish_track(self._sid)
        except UnpublishTrackError as problem:  # the room is about to go
            log.info("track_stays", error=type(problem).__name__)
        await self.aclose()

    async def aclose(self) -> None:
        if self._pacing:
            await utils.aio.cancel_and_wait(self._pacing)
        await self._source.aclose()

    async def _pace(self) -> None:
        while True:
            await self._gate.wait()
            if self._paused or not self._has_chunk():
                if self._is_open and self._is_complete and not self._buffer:
                    await self._play_out()
                    continue
                if self._interjection and not self._paused:
                    await self._interject()
                    continue
                self._more.clear()
                await self._more.wait()
                continue
            await self._send_chunk()

    def _has_chunk(self) -> bool:
        enough = _CHUNK_BYTES if self._sent_s else _FIRST_BYTES
        return len(self._buffer) >= enough or (self._is_complete and bool(self._buffer))

    async def _send_chunk(self) -> None:
        data = bytes(self._buffer[:_CHUNK_BYTES])
        del self._buffer[:_CHUNK_BYTES]
        is_first = self._sent_s == 0.0
        self._sent_s += len(data) / BYTES_PER_S
        await self._source.capture_frame(frame_of(data))
        if is_first and self._is_open:
            self._report_start()
        await self._keep_pace()

    async def _keep_pace(self) -> None:
        excess_s = self._source.queued_duration - AHEAD_S
        if excess_s > 0:
            await asyncio.sleep(excess_s)

    async def _interject(self) -> None:
        await asyncio.sleep(self._source.queued_duration)  # the last words before it
        said, self._interjection = self._interjection, None
        if said is None or self._has_chunk():
            self._interjection = said  # dropped, or the model has more to say first
            return
        self._is_interjecting = True
        for frame in frames_of(said.pcm, frame_bytes=_CHUNK_BYTES):
            if not self._gate.is_set():
                break
            await self._source.capture_frame(frame)
            await self._keep_pace()
        await asyncio.sleep(self._source.queued_duration)
        self._is_interjecting = False
        said.on_end()

    def _report_start(self) -> None:
        self.on_playback_started(created_at=self._clock.now().timestamp())
        if self._on_first_audio:
            self._on_first_audio()
            self._on_first_audio = None

    async def _play_out(self) -> None:
        captured_s = self._captured_s
        await asyncio.sleep(self._source.queued_duration)
        if self._is_open and self._is_complete and self._captured_s == captured_s:
            self._finish(self._captured_s, interrupted=False, transcript=None)

    def _finish(self, position_s: float, *, interrupted: bool, transcript: str | None) -> None:
        self._is_open = self._is_complete = False
        self.on_playback_finished(
            playback_position=position_s,
            interrupted=interrupted,
            synchronized_transcript=transcript,
        )


def cut_text(text: str, heard: float) -> str:
    """The part of `text` that `heard` (0 to 1) of its audio covers, ending at a whole word."""
    if heard >= 1.0:
        return text
    end = round(len(text) * heard)
    if end < len(text) and not text[end].isspace():
        end = text.rfind(" ", 0, end + 1)
    return text[: max(end, 0)].rstrip()
