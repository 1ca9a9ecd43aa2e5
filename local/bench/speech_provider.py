"""A provider of speech that costs nothing and takes no time, at an address like OpenAI's."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from aiohttp import web

RATE_HZ = 24_000
BYTES_PER_S = RATE_HZ * 2
CHARS_PER_S = 15  # so that the length of the answer can be the text's
FIRST_PIECE_BYTES = BYTES_PER_S // 10
BODY_BYTES_MAX = 1024 * 1024
TONE_S = 120  # of the longest answer


class BenchProvider:
    """Answers at once; while `gate` is clear, when it is set. `asked` counts requests."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._tone = _tone(TONE_S)

    async def speak(self, request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        self.asked += 1
        await self.gate.wait()
        pcm = self._tone[: len(wanted["input"]) * BYTES_PER_S // CHARS_PER_S // 2 * 2]
        if wanted["response_format"] != "pcm":
            return web.Response(body=_wave(pcm), content_type="audio/wav")
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await response.prepare(request)
        await response.write(pcm[:FIRST_PIECE_BYTES])
        await response.write(pcm[FIRST_PIECE_BYTES:])
        return response


@asynccontextmanager
async def bench_provider() -> AsyncIterator[BenchProvider]:
    """Serve it on this loop; `url` ends with /v1."""
    provider = BenchProvider()
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.add_routes([web.post("/v1/audio/speech", provider.speak)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield provider
    finally:
        await runner.cleanup()


def _wave(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(RATE_HZ)
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.writeframes(pcm)
    return file.getvalue()


def _tone(seconds: int) -> bytes:
    """A second of a tone, over and over: loud enough to be taken for speech."""
    second = 8_000 * np.sin(2 * np.pi * 220 * np.arange(RATE_HZ) / RATE_HZ)
    return second.astype("<i2").tobytes() * seconds
