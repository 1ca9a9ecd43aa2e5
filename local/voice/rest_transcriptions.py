"""`POST /v1/audio/transcriptions`: the persona's phrases, or a consent's, in a WAV file."""

import asyncio

from aiohttp import web
from aiohttp.web_request import FileField

from local.voice.faults import RestFault
from local.voice.http_errors import HttpError, misbehave
from local.voice.resample import resample
from local.voice.services import Services
from local.voice.speech import BYTES_PER_MS, SPEECH_RATE_HZ
from local.voice.turn_taking import SpeechDetector, SpeechStarted, TurnDetection
from local.voice.wav import NotAWave, Recording, read_wave

# Longer than the pauses inside of a phrase, shorter than those between two.
BETWEEN_PHRASES = TurnDetection(silence_duration_ms=300)
PAUSE = bytes(BYTES_PER_MS * 200)  # between words of one who reads slowly
TAIL = bytes(BYTES_PER_MS * 400)  # a file may end with its last word


class TranscriptionsRoute:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The handler of the route."""
        self._services.stats.transcription_requests += 1
        fault: RestFault = self._services.faults.take("stt") or RestFault()
        form = await request.post()
        await misbehave(fault)
        file, shape = form.get("file"), form.get("response_format") or "json"
        if not isinstance(file, FileField):
            raise HttpError(400, "file is required", param="file", code="missing")
        if shape not in ("json", "text"):
            raise HttpError(400, "response_format must be json or text", param="response_format")
        try:
            parts = await asyncio.to_thread(_phrases, file.file.read())
        except NotAWave as error:
            raise HttpError(400, str(error), param="file", code="invalid_audio") from error
        words = [await self._words_of(part) for part in parts]
        text = " ".join(filter(None, words)) or await self._consent_in(parts)
        if shape == "text":
            return web.Response(text=f"{text}\n")
        seconds = sum(len(part) for part in parts) / BYTES_PER_MS / 1000
        usage = {"type": "duration", "seconds": round(seconds, 3)}
        return web.json_response({"text": text, "usage": usage})

    async def _consent_in(self, parts: list[bytes]) -> str:
        """None of the persona's phrases was said: maybe it is the phrase of a consent."""
        whole = PAUSE.join(parts)
        return await self._services.ears.consent_in(whole, rate_hz=SPEECH_RATE_HZ)

    async def _words_of(self, pcm: bytes) -> str:
        return await self._services.ears.words_of(pcm, rate_hz=SPEECH_RATE_HZ)


def _phrases(data: bytes) -> list[bytes]:
    """The spoken parts of a file as PCM16 at 24 kHz. Raises NotAWave."""
    return spoken_parts(read_wave(data))


def spoken_parts(recording: Recording) -> list[bytes]:
    """PCM16 at 24 kHz, cut at the pauses; the whole recording when nothing stands out."""
    pcm = resample(recording.pcm, source_hz=recording.rate_hz, target_hz=SPEECH_RATE_HZ) + TAIL
    parts, start_ms = [], 0
    for mark in SpeechDetector(BETWEEN_PHRASES).feed(pcm):
        if isinstance(mark, SpeechStarted):
            start_ms = mark.at_ms
        else:
            parts.append(pcm[start_ms * BYTES_PER_MS : mark.at_ms * BYTES_PER_MS])
    return parts or [pcm]
