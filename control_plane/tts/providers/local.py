"""
The demo voice of the local stack. It needs no key.

Its cloning is a demo and its model is called so: a synthetic voice with the pitch and the pace of
the recording, not the voice of a person.
"""

import asyncio
from bisect import bisect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.likeness import Likeness, likeness_of
from control_plane.tts.port import Provider, Speech, Utterance
from control_plane.tts.providers.openai_compatible import OpenAiSpeech
from control_plane.tts.wire import ANSWER_BYTES_MAX
from shared.settings import key_for_sdk

NORMAL_PACE: Final = 5.4  # syllables a second of the demo voice at speed 1, by our own measure
SPEED_MIN, SPEED_MAX = 0.6, 1.5  # outside it is hard to understand
LANGUAGELESS: Final = frozenset({"", "auto", "multiple"})

# What the two voices measure (Hz) at these settings of their pitch.
PITCHES: Final = (0, 20, 40, 60, 80, 99)
LOW_VOICE: Final = ("rex", (76.0, 81.0, 95.0, 115.0, 140.0, 172.0))
HIGH_VOICE: Final = ("ara", (145.0, 166.0, 192.0, 227.0, 276.0, 334.0))
HIGH_FROM_HZ: Final = 150.0


def open_provider(settings: SpeechProviderSettings) -> Provider:
    assert settings.local_voice_url is not None
    return LocalSpeech(base_url=settings.local_voice_url)


@dataclass(frozen=True, slots=True)
class Imitation:
    """How the demo voice is set to come near a recording."""

    voice: str
    pitch: int  # 0 to 99
    speed: float


class LocalSpeech:
    name = "local"

    def __init__(self, *, base_url: str, answer_bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self._speech = OpenAiSpeech(
            name=self.name,
            base_url=base_url,
            api_key=key_for_sdk(None),
            answer_bytes_max=answer_bytes_max,
        )

    async def speak(self, utterance: Utterance) -> Speech:
        """The reference has to be a 16 bit mono WAV. Raises NoAudio if it is not, or is silent."""
        tuned, extra = await _tuned(utterance)
        speech = await self._speech.speak(tuned, extra=extra)
        return replace(speech, model=utterance.model)

    async def stream(self, utterance: Utterance) -> AsyncGenerator[bytes]:
        tuned, extra = await _tuned(utterance)
        async with aclosing(self._speech.stream(tuned, extra=extra)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        await self._speech.close()


def imitation_of(likeness: Likeness) -> Imitation:
    """The nearest that the demo voice comes to it."""
    voice, table = HIGH_VOICE if likeness.pitch_hz >= HIGH_FROM_HZ else LOW_VOICE
    return Imitation(
        voice=voice,
        pitch=_between(likeness.pitch_hz, table),
        speed=min(max(likeness.pace / NORMAL_PACE, SPEED_MIN), SPEED_MAX),
    )


def _between(pitch_hz: float, table: tuple[float, ...]) -> int:
    """The setting for a pitch, straight between two measured ones."""
    above = min(max(bisect(table, pitch_hz), 1), len(table) - 1)
    low_hz, high_hz = table[above - 1], table[above]
    part = min(max((pitch_hz - low_hz) / (high_hz - low_hz), 0.0), 1.0)
    return round(PITCHES[above - 1] + part * (PITCHES[above] - PITCHES[above - 1]))


async def _tuned(utterance: Utterance) -> tuple[Utterance, dict[str, int]]:
    """The utterance as the voice server takes it: language in the model's name, voice set."""
    language = utterance.language.lower()
    model = utterance.model
    if language not in LANGUAGELESS:
        model = f"{model}-{language.partition('-')[0]}"
    if utterance.reference is None:
        return replace(utterance, model=model), {}
    likeness = await asyncio.to_thread(likeness_of, utterance.reference)
    imitation = imitation_of(likeness)
    speed = imitation.speed * (utterance.speed or 1.0)
    tuned = replace(utterance, model=model, voice=imitation.voice, speed=round(speed, 3))
    return tuned, {"pitch": imitation.pitch}
