"""
Speech to text for the phrase that somebody reads aloud to consent to a clone of their voice.

Its grammar knows the vocabulary and the shape of such phrases, never which one was asked for: that
is compared by who asks. Over three voices 180 phrases of 180 had nine or more of eleven words
right; the hardest one known is missed one time in seven. Other sentences are no words, or wrong
ones.
"""

import threading
from typing import Any

import numpy as np
from pocketsphinx import Decoder

from control_plane.cloning.phrases import OPENING, RANDOM_WORDS, WORDS
from local.voice.recognition import MODEL_FRAME_HZ, MODEL_RATE_HZ, ROOM_NOISE_RMS, speech_in
from local.voice.resample import resample

# Right phrases scored 0.17 and more, forced ones 0.12 and less.
SCORE_MIN = 0.14
COVERED_SPEECH_MIN = 0.5
HEARD_S_MAX = 30.0  # who reads slowly takes a dozen seconds

_GRAMMAR = (
    f"#JSGF V1.0;\ngrammar consent;\n<word> = {' | '.join(WORDS)};\n"
    f"public <phrase> = {OPENING} {' '.join(['<word>'] * RANDOM_WORDS)};\n"
)


class ConsentRecognizer:
    """One decoder. Thread-safe; calls wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoder: Any = Decoder(lm=None, loglevel="FATAL")
        self._decoder.add_jsgf_string("consent", _GRAMMAR)
        self._decoder.activate_search("consent")
        self._noise = np.random.default_rng(0).normal(
            0.0, ROOM_NOISE_RMS, int(MODEL_RATE_HZ * HEARD_S_MAX)
        )

    def words_of(self, pcm: bytes, *, rate_hz: int) -> str:
        """The phrase said in PCM16 mono, or "" when it is none or nobody spoke. Blocks."""
        speech = speech_in(
            resample(pcm, source_hz=rate_hz, target_hz=MODEL_RATE_HZ), seconds_max=HEARD_S_MAX
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
        if guess is None or guess.score < SCORE_MIN:
            return ""
        covered_frames = sum(
            word.end_frame - word.start_frame + 1
            for word in self._decoder.seg()
            if not word.word.startswith("<")
        )
        words: str = guess.hypstr
        return words if covered_frames / MODEL_FRAME_HZ >= COVERED_SPEECH_MIN * voiced_s else ""
