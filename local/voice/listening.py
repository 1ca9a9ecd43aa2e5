"""The caller's side of a session: audio in, turns out."""

import base64
import binascii
from typing import Protocol

from local.voice.conversation import Conversation
from local.voice.input_audio import InputAudio
from local.voice.output import Outlet
from local.voice.protocol import Event, ProtocolError, message_item, new_id
from local.voice.services import Services
from local.voice.session import Session
from local.voice.speech import BYTES_PER_SAMPLE, SPEECH_RATE_HZ
from local.voice.turn_taking import SpeechDetector, SpeechStarted

COMMIT_MS_MIN = 100  # as at OpenAI
KEPT_BEFORE_SPEECH_MS = 300  # over the padding: the detector tells of a start 80 ms late


class TurnTaker(Protocol):
    """Who answers the caller."""

    async def turn_began(self) -> None:
        """The caller speaks."""
        ...

    async def turn_ended(self) -> None:
        """The caller's words are in the conversation."""
        ...


class Listening:
    """Hears a caller through server VAD, or collects audio until the client commits it."""

    def __init__(
        self,
        session: Session,
        conversation: Conversation,
        *,
        turn_taker: TurnTaker,
        outlet: Outlet,
        services: Services,
    ) -> None:
        self._session = session
        self._conversation = conversation
        self._turn_taker = turn_taker
        self._outlet = outlet
        self._services = services
        self._input = InputAudio()
        self._turn_item_id: str | None = None  # of the speech that is being heard
        self.listen_anew()

    @property
    def heard_ms(self) -> int:
        """All audio of the session so far."""
        return self._input.heard_ms

    def listen_anew(self) -> None:
        """Forget what the detector knows; its settings may have changed."""
        detection = self._session.turn_detection
        self._turn_item_id = None
        self._detector = SpeechDetector(detection, heard_ms=self.heard_ms) if detection else None

    async def append(self, event: Event) -> None:
        pcm = _pcm(event)
        self._input.append(pcm)
        if self._detector is None:
            return
        for mark in self._detector.feed(pcm):
            if isinstance(mark, SpeechStarted):
                await self._begin_turn(mark.at_ms)
            else:
                await self._end_turn(mark.at_ms)
        self._forget_silence()

    async def commit(self, _event: Event) -> None:
        if self._input.kept_ms < COMMIT_MS_MIN:
            raise ProtocolError(
                f"expected at least {COMMIT_MS_MIN} ms of audio",
                code="input_audio_buffer_commit_empty",
            )
        await self._commit(self._turn_item_id or new_id("item"))
        self.listen_anew()

    async def clear(self, _event: Event) -> None:
        self._input.take()
        self.listen_anew()
        await self._outlet.send("input_audio_buffer.cleared")

    async def _begin_turn(self, at_ms: int) -> None:
        self._input.forget_before(at_ms)
        self._turn_item_id = new_id("item")
        await self._outlet.send(
            "input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._turn_item_id
        )
        await self._turn_taker.turn_began()

    async def _end_turn(self, at_ms: int) -> None:
        item_id = self._turn_item_id or new_id("item")
        self._turn_item_id = None
        await self._outlet.send(
            "input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=item_id
        )
        await self._commit(item_id)
        await self._turn_taker.turn_ended()

    async def _commit(self, item_id: str) -> None:
        """Make the audio an item of the conversation, and its words known."""
        pcm = self._input.take()
        content: list[Event] = [{"type": "input_audio", "transcript": None}]
        item = message_item(item_id, role="user", content=content, status="completed")
        added = self._conversation.add(item)
        before = {"previous_item_id": added.previous_item_id}
        await self._outlet.send("input_audio_buffer.committed", **before, item_id=item_id)
        await self._outlet.send("conversation.item.added", **before, item=item)
        await self._outlet.send("conversation.item.done", **before, item=item)
        words = await self._services.ears.words_of(pcm, rate_hz=SPEECH_RATE_HZ)
        self._services.stats.turns += 1
        self._services.stats.turns_understood += bool(words)
        self._conversation.hear(item_id, words)
        if self._session.wants_transcripts:
            content[0]["transcript"] = words
            await self._tell_transcript(item_id, words, len(pcm))

    async def _tell_transcript(self, item_id: str, words: str, pcm_bytes: int) -> None:
        seconds = round(pcm_bytes / BYTES_PER_SAMPLE / SPEECH_RATE_HZ, 3)
        await self._outlet.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=words,
            usage={"type": "duration", "seconds": seconds},
        )

    def _forget_silence(self) -> None:
        """Nobody speaks: keep only what would come before the next start."""
        detection = self._session.turn_detection
        if detection and self._detector and not self._detector.speaking:
            kept_ms = detection.prefix_padding_ms + KEPT_BEFORE_SPEECH_MS
            self._input.forget_before(self.heard_ms - kept_ms)


def _pcm(event: Event) -> bytes:
    audio = event.get("audio")
    if not isinstance(audio, str):
        raise ProtocolError("audio must be base64", param="audio")
    try:
        pcm = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("audio must be base64", param="audio") from None
    if len(pcm) % BYTES_PER_SAMPLE:
        raise ProtocolError("audio must be whole 16-bit samples", param="audio")
    return pcm
