"""`POST /v1/audio/speech`: speech as OpenAI's endpoint streams it, in WAV or raw PCM."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field

from local.voice.faults import SpeechFault
from local.voice.http_errors import HttpError, break_connection, misbehave
from local.voice.languages import language_of_model
from local.voice.sentences import sentences_of
from local.voice.services import Services
from local.voice.session import voice_name
from local.voice.speech import BYTES_PER_MS
from local.voice.usage import SPOKEN_MS_PER_TOKEN, text_tokens
from local.voice.voicebox import Manner
from local.voice.wav import streaming_header

INPUT_CHARS_MAX = 4_096  # as at OpenAI
PIECE_BYTES = 200 * BYTES_PER_MS  # of audio in one event of a stream of events

CONTENT_TYPES = {"wav": "audio/wav", "pcm": "audio/pcm"}
NO_FAULT = SpeechFault()


class SpeechRequest(BaseModel):
    model: str = Field(min_length=1, max_length=200)
    input: str = Field(min_length=1, max_length=INPUT_CHARS_MAX)
    voice: str | dict[str, Any]
    response_format: str = "wav"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: str | None = None  # accepted; espeak has no moods
    pitch: int | None = Field(default=None, ge=0, le=99)  # ours: instead of the voice's own


class SpeechRoute:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The handler of the route."""
        self._services.stats.speech_requests += 1
        fault: SpeechFault = self._services.faults.take("tts") or NO_FAULT
        wanted = SpeechRequest.model_validate_json(await request.read() or "{}")
        if wanted.response_format not in CONTENT_TYPES:
            raise HttpError(
                400, "response_format must be wav or pcm", param="response_format", code="invalid"
            )
        await misbehave(fault)
        pieces = self._audio(wanted, fault)
        if wanted.stream_format == "sse":
            return await self._stream_events(request, wanted, pieces)
        return await self._stream_audio(request, wanted, pieces, truncate=fault.truncate)

    async def _audio(self, wanted: SpeechRequest, fault: SpeechFault) -> AsyncIterator[bytes]:
        """PCM sentence by sentence."""
        manner = Manner(
            voice_name(wanted.voice), language_of_model(wanted.model), wanted.speed, wanted.pitch
        )
        for sentence in sentences_of(wanted.input):
            pcm = await self._services.voicebox.say(sentence, manner)
            if fault.garbage:
                pcm = secrets.token_bytes(len(pcm))
            yield bytes(len(pcm)) if fault.silence else pcm

    async def _stream_audio(
        self,
        request: web.Request,
        wanted: SpeechRequest,
        pieces: AsyncIterator[bytes],
        *,
        truncate: bool,
    ) -> web.StreamResponse:
        content_type = CONTENT_TYPES[wanted.response_format]
        response = web.StreamResponse(headers={"Content-Type": content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if wanted.response_format == "wav":
            await response.write(streaming_header())
        async for pcm in pieces:
            if truncate:
                await response.write(pcm[: len(pcm) // 2])
                break_connection(request)
                return response
            await response.write(pcm)
        await response.write_eof()
        return response

    async def _stream_events(
        self, request: web.Request, wanted: SpeechRequest, pieces: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        spoken_bytes = 0
        async for pcm in pieces:
            for start in range(0, len(pcm), PIECE_BYTES):
                audio = base64.b64encode(pcm[start : start + PIECE_BYTES]).decode()
                await response.write(_event({"type": "speech.audio.delta", "audio": audio}))
            spoken_bytes += len(pcm)
        tokens_in = text_tokens(wanted.input)
        tokens_out = spoken_bytes // BYTES_PER_MS // SPOKEN_MS_PER_TOKEN
        usage = {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
        await response.write(_event({"type": "speech.audio.done", "usage": usage}))
        await response.write_eof()
        return response


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
