"""
Text to speech: PCM16 mono at 24 kHz, the only form the Realtime protocol carries.

Used by the voice server, and by the simulated caller to have something to say.
"""

import re
import zlib
from dataclasses import dataclass, replace

from local.voice.espeak import ESPEAK_RATE_HZ, EspeakVoice, espeak
from local.voice.languages import ENGLISH, language_of_script
from local.voice.resample import resample

SPEECH_RATE_HZ = 24_000
BYTES_PER_SAMPLE = 2
BYTES_PER_MS = SPEECH_RATE_HZ * BYTES_PER_SAMPLE // 1000

# Names that clients of xAI, of OpenAI and our own simulated caller use, and how each sounds here.
# Any other name gets one of these, always the same one.
VOICES = {
    "ara": EspeakVoice(variant="f3", pitch=55),
    "eve": EspeakVoice(variant="f2", pitch=60),
    "rex": EspeakVoice(variant="m3", pitch=40),
    "leo": EspeakVoice(variant="m7", pitch=35),
    "sal": EspeakVoice(variant="m1", pitch=50),
    "alloy": EspeakVoice(variant="m6", pitch=52),
    "marin": EspeakVoice(variant="f4", pitch=52),
    # Of 15 sounds the one that the recognizer is surest of. Of "m2" it took a fifth of all
    # "tell me a story" for another phrase while its filter was new, on some machines all the time.
    "caller": EspeakVoice(variant="m6", pitch=48),
}

# espeak makes a file path of it.
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken text: PCM16 mono little-endian at `rate_hz`."""

    pcm: bytes
    rate_hz: int = SPEECH_RATE_HZ

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / (self.rate_hz * BYTES_PER_SAMPLE)


def synthesize(
    text: str,
    voice: str = "caller",
    *,
    language: str = ENGLISH,
    speed: float = 1.0,
    pitch: int | None = None,
) -> Speech:
    """
    Speak `text`. Blocks about 2 ms for a second of speech; call it in a worker thread.

    Text in a script of its own, such as Russian, is spoken in the language of that script.
    """
    chosen = espeak_voice(voice, language_of_script(text) or language)
    if pitch is not None:
        chosen = replace(chosen, pitch=pitch)
    pcm = espeak().speak(text, chosen, speed=speed)
    return Speech(resample(pcm, source_hz=ESPEAK_RATE_HZ, target_hz=SPEECH_RATE_HZ))


def espeak_voice(voice: str, language: str) -> EspeakVoice:
    """The sound of a voice name, in a language; what is no language tag is English."""
    if not _LANGUAGE_TAG.fullmatch(language):
        language = ENGLISH
    name = voice.lower()
    if name not in VOICES:
        known = sorted(VOICES)
        name = known[zlib.crc32(name.encode()) % len(known)]
    sound = VOICES[name]
    return EspeakVoice(language=language, variant=sound.variant, pitch=sound.pitch)
