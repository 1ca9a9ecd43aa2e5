"""One assistant message while it is being said: words and audio, piece by piece."""

import asyncio
import base64

from local.voice.output import Output
from local.voice.pacing import DELTA_MS, pause_s, spread
from local.voice.protocol import Event, Item
from local.voice.speech import BYTES_PER_MS
from shared.clock import Clock


class Message:
    """Text for a session that reads; see SpokenMessage for one that listens."""

    content_type = "text"

    def __init__(self, output: Output) -> None:
        self._output = output
        self._item: Item | None = None
        self._words = ""
        self._opened_ms = 0
        self.audio_ms = 0  # of all messages of the response

    async def add(self, words: str, pcm: bytes) -> None:
        """Say a sentence. `pcm`: its speech at 24 kHz, b"" for none."""
        assert not pcm, "a text message has no audio"
        await self.open()
        await self._send("response.output_text.delta", delta=self._next_words(f" {words}"))

    async def open(self) -> None:
        """Tell the client that a message begins; does nothing the second time."""
        if self._item is None:
            self._words, self._opened_ms = "", self.audio_ms
            self._item = await self._output.open_message()
            await self._send("response.content_part.added", part=self._part(""))

    async def close(self, status: str) -> None:
        """End the message, if it ever began."""
        if self._item is None:
            return
        item, words = self._item, self._words
        await self._send_ends(words)
        await self._send("response.content_part.done", part=self._part(words))
        item["content"] = [self._part(words) | {"type": f"output_{self.content_type}"}]
        audio_ms = self.audio_ms - self._opened_ms
        self._item = None
        await self._output.close(item, status, words=words, audio_ms=audio_ms)

    def _next_words(self, words: str) -> str:
        """Words that begin with a space, which the first of a message have not."""
        delta = words if self._words else words.lstrip()
        self._words += delta
        return delta

    async def _send_ends(self, words: str) -> None:
        await self._send("response.output_text.done", text=words)

    def _part(self, words: str) -> Event:
        return {"type": self.content_type, "text": words}

    async def _send(self, event_type: str, **fields: object) -> None:
        assert self._item is not None
        place = self._output.place_of(self._item)
        await self._output.send(event_type, **place, content_index=0, **fields)


class SpokenMessage(Message):
    """Audio with its transcript, sent at a pace."""

    content_type = "audio"

    def __init__(self, output: Output, clock: Clock) -> None:
        super().__init__(output)
        self._clock = clock
        self._started_s = clock.monotonic()

    async def add(self, words: str, pcm: bytes) -> None:
        await self.open()
        size = DELTA_MS * BYTES_PER_MS
        pieces = [pcm[start : start + size] for start in range(0, len(pcm), size)] or [b""]
        shares = spread(words.split(), parts=len(pieces))
        for piece, share in zip(pieces, shares, strict=True):
            await self._add_piece(piece, share)

    async def _add_piece(self, pcm: bytes, words: str) -> None:
        if words:
            delta = self._next_words(words)
            await self._send("response.output_audio_transcript.delta", delta=delta)
        if not pcm:
            return
        await self._send("response.output_audio.delta", delta=base64.b64encode(pcm).decode())
        self.audio_ms += len(pcm) // BYTES_PER_MS
        elapsed_s = self._clock.monotonic() - self._started_s
        await asyncio.sleep(pause_s(sent_ms=self.audio_ms, elapsed_s=elapsed_s))

    async def _send_ends(self, words: str) -> None:
        await self._send("response.output_audio.done")
        await self._send("response.output_audio_transcript.done", transcript=words)

    def _part(self, words: str) -> Event:
        return {"type": self.content_type, "transcript": words}
