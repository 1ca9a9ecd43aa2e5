"""
From a recipe to audio that may be sold: spoken, decoded, judged, and in the wanted form.

It knows no money. What a provider sends is believed only once it has been decoded and measured.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from billing.pricing import characters_of
from control_plane.audio.plausible import verdict
from control_plane.audio.port import SPEECH_RATE_HZ, AudioFormat, BadAudio, Recording, Workshop
from control_plane.objects.port import ObjectStore
from control_plane.speech.recipe import Recipe
from control_plane.tts.port import NoAudio, Speech, Tokens
from control_plane.tts.studio import Studio
from shared.log import get_logger

log = get_logger(__name__)

# Tasks of ours at once in the workshop, which has places for more and refuses beyond: what a
# provider has made already waits here instead, and uploads find room.
WORKSHOP_TASKS_MAX: Final = 16
TRIES: Final = 2  # bad audio is asked for once more, at our expense
SPEECH_S_MAX: Final = 1_200.0  # the longest text, read very slowly
STREAM_BYTES_MAX: Final = int(SPEECH_S_MAX) * SPEECH_RATE_HZ * 2
PIECE_BYTES: Final = SPEECH_RATE_HZ * 2 // 5  # 200 ms, where stored audio is sent as a stream
PCM_TYPE: Final = f"audio/L16;rate={SPEECH_RATE_HZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Good audio: `data` in the form that was ordered."""

    recording: Recording
    data: bytes
    provider_model: str
    tokens: Tokens | None


class Production:
    def __init__(self, *, studio: Studio, workshop: Workshop, objects: ObjectStore) -> None:
        self._studio = studio
        self._workshop = workshop
        self._objects = objects
        self._places = asyncio.Semaphore(WORKSHOP_TASKS_MAX)

    async def make(self, recipe: Recipe) -> Take:
        """Raises the refusals of providers, NoAudio after two bad takes, StorageAway."""
        utterance = recipe.utterance(await self._reference_of(recipe))
        for attempt in range(1, TRIES + 1):
            try:
                speech = await self._studio.speak(
                    recipe.model, utterance, may_fall_back=recipe.may_fall_back
                )
                recording = await self._judged(recipe, speech.audio, speech.media_type)
            except NoAudio:
                log.warning("bad_audio", provider=recipe.model.provider, attempt=attempt)
                if attempt == TRIES:
                    raise
                continue
            data = await self._delivered(recipe, speech, recording)
            return Take(
                recording=recording,
                data=data,
                provider_model=speech.model,
                tokens=speech.tokens,
            )
        raise AssertionError("the last try returns or raises")

    async def stream(self, recipe: Recipe, heard: bytearray) -> AsyncGenerator[bytes, None]:
        """PCM as the provider makes it, also collected in `heard`. Raises as `make`."""
        utterance = recipe.utterance(await self._reference_of(recipe))
        spoken = self._studio.stream(recipe.model, utterance, may_fall_back=recipe.may_fall_back)
        async with aclosing(spoken) as pieces:
            async for piece in pieces:
                if len(heard) + len(piece) > STREAM_BYTES_MAX:
                    raise NoAudio
                heard += piece
                yield piece

    async def finish_stream(self, recipe: Recipe, heard: bytes) -> Take:
        """What was streamed, as something to keep. Raises NoAudio when it is no good."""
        recording = await self._judged(recipe, heard, PCM_TYPE)
        data = await self._encoded(recording, recipe.order.audio_format)
        return Take(
            recording=recording, data=data, provider_model=recipe.provider_model, tokens=None
        )

    async def store(self, recipe: Recipe, *, object_key: str, data: bytes) -> None:
        media_type = recipe.order.audio_format.media_type
        await self._objects.put(object_key, data, media_type=media_type)

    async def play(self, object_key: str, audio_format: AudioFormat) -> AsyncGenerator[bytes, None]:
        """Stored audio as PCM in pieces. Raises ObjectGone, StorageAway."""
        data = await self._objects.read(object_key)
        recording = await self._workshop.decode(
            data, media_type=audio_format.media_type, max_s=SPEECH_S_MAX
        )
        for start in range(0, len(recording.pcm), PIECE_BYTES):
            yield recording.pcm[start : start + PIECE_BYTES]

    async def _judged(self, recipe: Recipe, audio: bytes, media_type: str) -> Recording:
        """Raises NoAudio for what cannot be decoded, is silence, or cannot be this text."""
        try:
            async with self._places:
                recording = await self._workshop.decode(
                    audio, media_type=media_type, max_s=SPEECH_S_MAX
                )
        except BadAudio:
            raise NoAudio from None
        order = recipe.order
        fault = verdict(
            recording.facts, characters=characters_of(order.text), speed=order.speed or 1.0
        )
        if fault is not None:
            log.warning("bad_audio", provider=recipe.model.provider, reason=fault)
            raise NoAudio
        return recording

    async def _delivered(self, recipe: Recipe, speech: Speech, recording: Recording) -> bytes:
        """Lossy audio in the wanted form stays as it is: a second encoding only costs quality."""
        wanted = recipe.order.audio_format
        if wanted is AudioFormat.MP3 and speech.media_type == wanted.media_type:
            return speech.audio
        return await self._encoded(recording, wanted)

    async def _encoded(self, recording: Recording, audio_format: AudioFormat) -> bytes:
        async with self._places:
            return await self._workshop.encode(recording.pcm, audio_format)

    async def _reference_of(self, recipe: Recipe) -> bytes | None:
        key = recipe.order.voice.reference_key
        return None if key is None else await self._objects.read(key)
