"""The persona's phrases are recognised, as they sound and as a phone call makes them sound."""

import av
import numpy as np
import pytest

from local.voice.persona import PHRASES
from local.voice.recognition import Recognizer
from local.voice.resample import resample
from local.voice.speech import BYTES_PER_MS, SPEECH_RATE_HZ, synthesize

VOICES = ("caller", "Ara", "Rex")
NOT_PHRASES = (
    "could you please open the window for me",
    "i would like to buy a red car tomorrow",
    "one two three four",
    "yes please",
)
PAUSE = bytes(300 * BYTES_PER_MS)
OPUS_RATE_HZ = 48_000
OPUS_FRAME = 960  # 20 ms


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(PHRASES)


def through_opus(pcm: bytes, *, bits_per_s: int = 24_000) -> bytes:
    """24 kHz PCM16 as it arrives at the other end of a call."""
    encoder = av.CodecContext.create("libopus", "w")
    decoder = av.CodecContext.create("libopus", "r")
    encoder.bit_rate, encoder.options = bits_per_s, {"application": "voip"}
    for codec in (encoder, decoder):
        codec.sample_rate, codec.layout, codec.format = OPUS_RATE_HZ, "mono", "s16"
    samples = np.frombuffer(resample(pcm, source_hz=24_000, target_hz=OPUS_RATE_HZ), "<i2")
    heard = []
    for start in range(0, len(samples) - OPUS_FRAME, OPUS_FRAME):
        part = samples[start : start + OPUS_FRAME].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.pts = OPUS_RATE_HZ, start
        heard += [
            f.to_ndarray() for packet in encoder.encode(frame) for f in decoder.decode(packet)
        ]
    whole = np.concatenate(heard, axis=1)[0]
    if whole.dtype != np.int16:
        whole = np.clip(whole * 32_767, -32_768, 32_767)
    return resample(whole.astype("<i2").tobytes(), source_hz=OPUS_RATE_HZ, target_hz=24_000)


def test_nine_of_ten_phrases_are_right_in_every_voice(recognizer: Recognizer) -> None:
    wrong = {}
    for voice in VOICES:
        for phrase in PHRASES:
            words = recognizer.words_of(synthesize(phrase, voice).pcm, rate_hz=SPEECH_RATE_HZ)
            if words != phrase:
                wrong[voice, phrase] = words
    assert len(wrong) <= len(VOICES) * len(PHRASES) * 0.1, wrong


def test_nine_of_ten_phrases_are_right_after_a_call_s_codec(recognizer: Recognizer) -> None:
    wrong = {}
    for number, phrase in enumerate(PHRASES):
        voice = VOICES[number % len(VOICES)]
        pcm = through_opus(PAUSE + synthesize(phrase, voice).pcm + PAUSE)
        words = recognizer.words_of(pcm, rate_hz=SPEECH_RATE_HZ)
        if words != phrase:
            wrong[voice, phrase] = words
    assert len(wrong) <= len(PHRASES) * 0.1, wrong


@pytest.mark.parametrize("phrase", ["tell me a story", "tell me a joke", "tell me about yourself"])
def test_the_first_sentence_of_a_new_decoder_is_heard_as_well(phrase: str) -> None:
    heard = []
    for silence_ms in range(260, 340, 20):
        pause = bytes(silence_ms * BYTES_PER_MS)
        pcm = pause + synthesize(phrase).pcm + bytes(540 * BYTES_PER_MS)
        heard.append(Recognizer(PHRASES).words_of(pcm, rate_hz=SPEECH_RATE_HZ))
    assert heard == [phrase] * 4


def test_other_sentences_are_no_phrase(recognizer: Recognizer) -> None:
    for sentence in NOT_PHRASES:
        pcm = synthesize(sentence).pcm + PAUSE
        assert recognizer.words_of(pcm, rate_hz=SPEECH_RATE_HZ) == "", sentence


def test_silence_noise_and_nothing_have_no_words(recognizer: Recognizer) -> None:
    hiss = np.random.default_rng(1).normal(0, 300, 24_000).astype("<i2").tobytes()
    for pcm in (b"", b"\0\0", bytes(48_000), hiss):
        assert recognizer.words_of(pcm, rate_hz=SPEECH_RATE_HZ) == ""


def test_a_long_monologue_is_cut_and_still_answers(recognizer: Recognizer) -> None:
    pcm = synthesize("and then we went on to the next town. " * 40).pcm
    assert recognizer.words_of(pcm, rate_hz=SPEECH_RATE_HZ) == ""


def test_the_same_audio_always_has_the_same_words(recognizer: Recognizer) -> None:
    pcm = synthesize("please hang up").pcm + PAUSE
    words = {recognizer.words_of(pcm, rate_hz=SPEECH_RATE_HZ) for _ in range(3)}
    assert words == {"please hang up"}
