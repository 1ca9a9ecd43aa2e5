"""
Speech to text with pocketsphinx: which of the persona's phrases was said.

Open dictation of a robot voice is useless; a grammar of two dozen phrases is right 143 times of 144
over six voices, in about 25 ms. What is none of the phrases comes back as no words, not as the
nearest phrase.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from local.voice.resample import resample

MODEL_RATE_HZ = 16_000
MODEL_FRAME_HZ = 100

# Digital silence between the words of a synthetic voice breaks the model: without a little room
# noise 107 of 144 phrases were right, with this much 143.
ROOM_NOISE_RMS = 40.0

# Right phrases scored 0.53 and more, forced ones 0.60 and less with a median of 0.32. A forced
# phrase also leaves most of the speech to silence, which the second limit catches.
SCORE_MIN = 0.46
COVERED_SPEECH_MIN = 0.5

# A phrase takes 2 s. The bound keeps a caller's monologue from holding the decoder.
HEARD_S_MAX = 12

SILENT_RMS = 90.0
FRAME_SAMPLES = MODEL_RATE_HZ // 50  # 20 ms
_SEARCH = "sentences"  # a name that the decoder wants for its grammar
MARGIN_FRAMES = 20  # kept around the speech: fewer lose quiet first and last sounds


@dataclass(frozen=True, slots=True)
class HeardSpeech:
    samples: NDArray[np.float32]
    voiced_s: float


class GrammarDecoder:
    """Hears the sentences of one JSGF grammar. Thread-safe; calls wait for each other."""

    def __init__(self, grammar: str, *, score_min: float, seconds_max: float) -> None:
        self._lock = threading.Lock()
        self._score_min, self._seconds_max = score_min, seconds_max
        self._decoder: Any = Decoder(lm=None, loglevel="FATAL")
        self._decoder.add_jsgf_string(_SEARCH, grammar)
        self._decoder.activate_search(_SEARCH)
        self._noise = np.random.default_rng(0).normal(
            0.0, ROOM_NOISE_RMS, int(MODEL_RATE_HZ * seconds_max)
        )

    def words_of(self, pcm: bytes, *, rate_hz: int) -> str:
        """The sentence said in PCM16 mono, or "" when it is none or nobody spoke. Blocks."""
        speech = speech_in(
            resample(pcm, source_hz=rate_hz, target_hz=MODEL_RATE_HZ), seconds_max=self._seconds_max
        )
        if speech is None:
            return ""
        noisy = speech.samples + self._noise[: len(speech.samples)]
        clipped = np.clip(noisy, -32768, 32767).astype("<i2").tobytes()
        with self._lock:
            return self._decode(clipped, speech.voiced_s)

    def _decode(self, pcm: bytes, voiced_s: float) -> str:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, False, True)  # noqa: FBT003 - the whole utterance at once
        self._decoder.end_utt()
        guess = self._decoder.hyp()
        if guess is None or guess.score < self._score_min:
            return ""
        covered_frames = sum(
            word.end_frame - word.start_frame + 1
            for word in self._decoder.seg()
            if not word.word.startswith("<")
        )
        words: str = guess.hypstr
        return words if covered_frames / MODEL_FRAME_HZ >= COVERED_SPEECH_MIN * voiced_s else ""


class Recognizer:
    """Which of a few phrases was said."""

    def __init__(self, phrases: tuple[str, ...]) -> None:
        self._phrases = phrases
        grammar = f"#JSGF V1.0;\ngrammar persona;\npublic <phrase> = {' | '.join(phrases)};\n"
        self._decoder = GrammarDecoder(grammar, score_min=SCORE_MIN, seconds_max=HEARD_S_MAX)

    def words_of(self, pcm: bytes, *, rate_hz: int) -> str:
        """The phrase said in PCM16 mono, or "" when it is none or nobody spoke. Blocks."""
        words = self._decoder.words_of(pcm, rate_hz=rate_hz)
        return self._completed(words) if words else ""

    def _completed(self, words: str) -> str:
        """The decoder may lose the last word of a phrase, which counts; more is no phrase."""
        if words in self._phrases:
            return words
        longer = [phrase for phrase in self._phrases if phrase.rpartition(" ")[0] == words]
        return longer[0] if len(longer) == 1 else ""


def speech_in(pcm: bytes, *, seconds_max: float) -> HeardSpeech | None:
    """The part of 16 kHz audio from its first to its last sound, not more than `seconds_max`."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > SILENT_RMS)
    if not len(loud):
        return None
    first = max(0, loud[0] - MARGIN_FRAMES) * FRAME_SAMPLES
    last = min(
        (loud[-1] + 1 + MARGIN_FRAMES) * FRAME_SAMPLES, first + int(MODEL_RATE_HZ * seconds_max)
    )
    return HeardSpeech(samples[first:last], voiced_s=len(loud) * FRAME_SAMPLES / MODEL_RATE_HZ)
