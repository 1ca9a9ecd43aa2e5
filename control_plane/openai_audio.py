"""
Speech as OpenAI sends it: bytes of one format as they are made, or events that carry them.

What goes wrong after the first byte cannot have a status any more: bytes stop short (a client sees
a broken transfer), events end with one that says why. Nothing is paid then.
"""

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import ClientDisconnect

from billing.money import to_credits
from control_plane.audio.port import AudioFormat
from control_plane.audio.stream_encoder import encode_stream
from control_plane.http_errors import status_of
from control_plane.speech.order import Spoken
from control_plane.v1_errors import program_error_body
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

EVENT_TYPE: Final = "text/event-stream"


@dataclass(slots=True)
class LiveSpeech:
    """PCM of the desk as an iterator; `spoken` is there once it has ended well."""

    first: bytes | Spoken
    pieces: AsyncGenerator[bytes | Spoken, None]
    spoken: Spoken | None = field(default=None)

    async def pcm(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self.pieces):
            if isinstance(self.first, Spoken):
                self.spoken = self.first
            else:
                yield bytes(self.first)
            async for piece in self.pieces:
                if isinstance(piece, Spoken):
                    self.spoken = piece
                else:
                    yield bytes(piece)


async def live_audio(live: LiveSpeech, audio_format: AudioFormat) -> AsyncGenerator[bytes, None]:
    """The bytes of the file."""
    try:
        async with aclosing(live.pcm()) as pcm, aclosing(encode_stream(pcm, audio_format)) as made:
            async for data in made:
                yield data
    except AppError as error:
        log.warning("stream_failed", code=error.code)
        raise ClientDisconnect from None  # ends the transfer before its end, without a report


async def live_events(live: LiveSpeech, audio_format: AudioFormat) -> AsyncGenerator[bytes, None]:
    """Events with the bytes of the file; `speech.audio.done` says what it cost."""
    try:
        async with aclosing(live.pcm()) as pcm, aclosing(encode_stream(pcm, audio_format)) as made:
            async for data in made:
                yield _delta(data)
    except AppError as error:
        log.warning("stream_failed", code=error.code)
        yield _event("error", program_error_body(status_of(error), error.message, code=error.code))
        return
    assert live.spoken is not None, "the desk ends with what was sold, or raises"
    yield _done(live.spoken)


async def stored_audio(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """A stored file. One that vanishes on its way breaks the transfer off."""
    try:
        async for piece in data:
            yield piece
    except AppError as error:
        log.warning("stream_failed", code=error.code)
        raise ClientDisconnect from None


async def stored_events(data: AsyncIterator[bytes], spoken: Spoken) -> AsyncGenerator[bytes, None]:
    """Events with a stored file."""
    async for piece in data:
        yield _delta(piece)
    yield _done(spoken)


def price_headers(spoken: Spoken) -> dict[str, str]:
    """What a whole answer cost."""
    headers = {"x-sexycall-cost-credits": str(to_credits(spoken.cost))}
    if spoken.charge_id is not None:
        headers["x-sexycall-charge-id"] = str(spoken.charge_id)
    if spoken.audio_file_id is not None:
        headers["x-sexycall-audio-id"] = str(spoken.audio_file_id)
    return headers


def _delta(data: bytes) -> bytes:
    audio = base64.b64encode(data).decode()
    return _event("speech.audio.delta", {"type": "speech.audio.delta", "audio": audio})


def _done(spoken: Spoken) -> bytes:
    """Our unit of input is the character; what comes out is not counted."""
    usage = {
        "input_tokens": spoken.input_characters,
        "output_tokens": 0,
        "total_tokens": spoken.input_characters,
        "cost_credits": to_credits(spoken.cost),
        "charge_id": str(spoken.charge_id) if spoken.charge_id else None,
        "duration_ms": spoken.duration_ms,
        "model": spoken.model,
    }
    return _event("speech.audio.done", {"type": "speech.audio.done", "usage": usage})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
