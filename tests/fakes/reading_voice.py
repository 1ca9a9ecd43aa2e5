"""
A speech server whose answers are as long as the text: OpenAI's protocol, a murmur of our own.

What it is asked for is remembered; a test may hold answers back, in the middle of a stream or from
a given text on, and may have texts refused.
"""

import asyncio
import io
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.sounds import RATE, murmur

WAIT_S = 60.0  # a test that forgets to open a gate fails, it does not hang
CHARS_PER_S = 25.0
PIECES = 4


@dataclass(slots=True)
class ReadingVoice:
    """`url` with /v1. While `gate` is shut, texts with `held_text` in them wait."""

    url: str = ""
    texts: list[str] = field(default_factory=list)
    wanted: list[dict[str, Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held_text: str = ""
    middle: asyncio.Event = field(
        default_factory=asyncio.Event
    )  # of streams: after the first piece
    refused_text: str | None = None
    broken_text: str | None = None
    silent_text: str | None = None
    at_once: int = 0
    at_once_max: int = 0
    gone: int = 0
    first_sent_at: float = 0.0  # when the last stream's first piece was written

    def reset(self) -> None:
        """Nothing asked, all gates open, no faults."""
        self.texts.clear()
        self.wanted.clear()
        self.gate.set()
        self.middle.set()
        self.held_text = ""
        self.refused_text = self.broken_text = self.silent_text = None
        self.at_once_max = self.gone = 0

    async def speak(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        text = wanted["input"]
        self.wanted.append(wanted)
        self.texts.append(text)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            return await self._answer(request, wanted, text)
        except (asyncio.CancelledError, ConnectionError):
            self.gone += 1
            raise
        finally:
            self.at_once -= 1

    async def _answer(
        self, request: web.Request, wanted: dict[str, Any], text: str
    ) -> web.StreamResponse:
        if self.refused_text is not None and self.refused_text in text:
            words = "Your request was rejected as a result of our safety system."
            error = {
                "message": words,
                "type": "x",
                "param": None,
                "code": "content_policy_violation",
            }
            return web.json_response({"error": error}, status=400)
        if self.broken_text is not None and self.broken_text in text:
            return web.json_response({"error": {"message": "down", "code": "down"}}, status=500)
        if self.held_text in text:
            await asyncio.wait_for(self.gate.wait(), WAIT_S)
        pcm = murmur(max(0.4, len(text) / CHARS_PER_S))
        if self.silent_text is not None and self.silent_text in text:
            pcm = bytes(len(pcm))
        if wanted["response_format"] != "pcm":
            return web.Response(body=_wav(pcm), content_type="audio/wav")
        return await self._stream(request, pcm)

    async def _stream(self, request: web.Request, pcm: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        size = len(pcm) // PIECES // 2 * 2
        self.first_sent_at = time.perf_counter()
        await response.write(pcm[:size])
        await asyncio.wait_for(self.middle.wait(), WAIT_S)
        for start in range(size, len(pcm), size):
            await response.write(pcm[start : start + size])
        await response.write_eof()
        return response


@asynccontextmanager
async def reading_voice() -> AsyncIterator[ReadingVoice]:
    """All gates open."""
    voice = ReadingVoice()
    voice.gate.set()
    voice.middle.set()
    app = web.Application()
    app.router.add_post("/v1/audio/speech", voice.speak)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        voice.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield voice
    finally:
        await runner.cleanup()


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()
