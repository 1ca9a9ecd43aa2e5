"""Streaming: bytes come early, pieces may be cut anywhere, and the whole is what was fed."""

import io
from collections.abc import AsyncIterator

import av
import pytest

from control_plane.audio.port import AudioFormat
from control_plane.audio.stream_encoder import StreamEncoder, encode_stream
from tests import sounds

SPEECH = sounds.murmur(3.0)
PIECE = 1_920  # 40 ms
NEEDS_CODEC = [each for each in AudioFormat if each is not AudioFormat.PCM]


def streamed(audio_format: AudioFormat, *, piece: int = PIECE) -> list[bytes]:
    encoder = StreamEncoder(audio_format)
    made = [encoder.feed(SPEECH[start : start + piece]) for start in range(0, len(SPEECH), piece)]
    return [*made, encoder.finish()]


def heard(data: bytes) -> bytes:
    """Decoded by FFmpeg, which knows nothing of how it was made."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=sounds.RATE)
    pcm = bytearray()
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(audio=0):
            for ours in resampler.resample(frame):
                pcm += bytes(ours.planes[0])[: ours.samples * 2]
    return bytes(pcm)


@pytest.mark.parametrize("audio_format", NEEDS_CODEC)
def test_the_whole_is_what_was_fed(audio_format: AudioFormat) -> None:
    pcm = heard(b"".join(streamed(audio_format)))
    assert abs(sounds.duration_ms(pcm) - 3_000) <= 75  # a stream cannot tell its padding
    assert sounds.energy(pcm) == pytest.approx(sounds.energy(SPEECH), rel=0.1)


@pytest.mark.parametrize(
    ("audio_format", "fed_ms"),
    [
        (AudioFormat.PCM, 40),
        (AudioFormat.WAV, 40),
        (AudioFormat.OPUS, 40),
        (AudioFormat.FLAC, 40),
        (AudioFormat.AAC, 80),
        (AudioFormat.MP3, 80),
    ],
)
def test_the_first_bytes_come_early(audio_format: AudioFormat, fed_ms: int) -> None:
    made = streamed(audio_format)
    assert sum(map(len, made[: fed_ms // 40])) > 0


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_bytes_keep_coming(audio_format: AudioFormat) -> None:
    """Nothing is kept back for longer than a few frames: no buffer of FFmpeg's fills up first."""
    made = streamed(audio_format)
    for start in range(3, len(made) - 3, 3):
        assert sum(map(len, made[start : start + 3])) > 0


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_it_does_not_matter_where_pieces_are_cut(audio_format: AudioFormat) -> None:
    whole = b"".join(streamed(audio_format))
    odd = b"".join(streamed(audio_format, piece=1_237))
    if audio_format is AudioFormat.OPUS:  # every Ogg stream has a random number of its own
        assert heard(odd) == heard(whole)
    else:
        assert odd == whole


def test_bare_pcm_is_what_was_fed() -> None:
    assert b"".join(streamed(AudioFormat.PCM)) == SPEECH


def test_a_wav_without_an_end_says_so() -> None:
    whole = b"".join(streamed(AudioFormat.WAV))
    assert whole[:4] + whole[8:16] == b"RIFFWAVEfmt "
    assert whole[4:8] == whole[40:44] == b"\xff\xff\xff\xff"
    assert whole[44:] == SPEECH


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_nothing_fed_is_still_a_stream_that_ends(audio_format: AudioFormat) -> None:
    encoder = StreamEncoder(audio_format)
    assert encoder.feed(b"") + encoder.feed(b"") + encoder.finish() is not None


@pytest.mark.parametrize("audio_format", AudioFormat)
async def test_a_stream_of_pcm_becomes_a_stream_of_the_format(audio_format: AudioFormat) -> None:
    async def spoken() -> AsyncIterator[bytes]:
        yield SPEECH[:1_001]
        yield SPEECH[1_001:100_000]  # long: encoded in a thread
        yield SPEECH[100_000:]

    made = [piece async for piece in encode_stream(spoken(), audio_format)]

    assert all(made)
    if audio_format is not AudioFormat.PCM:
        assert abs(sounds.duration_ms(heard(b"".join(made))) - 3_000) <= 75
