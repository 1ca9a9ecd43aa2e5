"""
espeak-ng through the library that the `espeakng-loader` wheel ships.

The C library keeps its voice and its callback in globals, so there is one engine in a process and
one synthesis at a time. It speaks about 1000 times faster than real time (4.6 s of speech in
5 ms), and ctypes lets go of the interpreter lock meanwhile.
"""

import ctypes
import functools
import threading
from dataclasses import dataclass

import espeakng_loader

ESPEAK_RATE_HZ = 22_050
NORMAL_WORDS_PER_MINUTE = 165  # a little under espeak's 175: easier to recognise through Opus
WORDS_PER_MINUTE_MIN = 80  # outside of these two espeak clamps silently
WORDS_PER_MINUTE_MAX = 450

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth returns when all audio was handed over
_DONT_EXIT = 0x8000  # report a missing data folder instead of ending our process
_UTF8 = 1
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_OK = 0

_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """How espeak is to sound: a language, a variant file of it and a pitch of 0 to 99."""

    language: str = "en-us"
    variant: str = "m3"
    pitch: int = 50


class EspeakUnavailable(RuntimeError):
    """The espeak library could not be started."""


class Espeak:
    """The engine. Thread-safe; calls wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = espeakng_loader.get_data_path().encode()
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _DONT_EXIT)
        if rate_hz != ESPEAK_RATE_HZ:
            raise EspeakUnavailable(f"espeak_Initialize answered {rate_hz}")
        self._callback = _SynthCallback(self._collect)  # kept: ctypes does not hold it for C
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: EspeakVoice, *, speed: float = 1.0) -> bytes:
        """PCM16 mono at ESPEAK_RATE_HZ. A language espeak does not know is spoken as English."""
        encoded = text.replace("\0", " ").encode("utf-8", "replace")
        with self._lock:
            self._use(voice, speed)
            self._chunks = []
            status = self._library.espeak_Synth(
                encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None
            )
            if status != _OK:
                raise EspeakUnavailable(f"espeak_Synth answered {status}")
            return b"".join(self._chunks)

    def _use(self, voice: EspeakVoice, speed: float) -> None:
        for language in (voice.language, "en-us"):
            name = f"{language}+{voice.variant}".encode()
            if self._library.espeak_SetVoiceByName(name) == _OK:
                break
        wanted = round(NORMAL_WORDS_PER_MINUTE * speed)
        rate = min(max(wanted, WORDS_PER_MINUTE_MIN), WORDS_PER_MINUTE_MAX)
        self._library.espeak_SetParameter(_PARAMETER_RATE, rate, 0)
        self._library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)

    def _collect(self, wave: "ctypes._Pointer[ctypes.c_short]", samples: int, _events: int) -> int:
        if wave and samples > 0:
            self._chunks.append(ctypes.string_at(wave, samples * 2))
        return 0  # go on


@functools.cache
def espeak() -> Espeak:
    """The one engine of this process; its globals allow no second one."""
    return Espeak()
