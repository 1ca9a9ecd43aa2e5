"""PCM as FFmpeg wants it, in frames."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from av import AudioFrame

from control_plane.audio.port import SPEECH_RATE_HZ
from control_plane.audio.wav import SAMPLE_BYTES

FRAME_SAMPLES: Final = 24_000  # so many at once: a second of ours


def frames_of(
    pcm: bytes, *, rate_hz: int = SPEECH_RATE_HZ, channels: int = 1, first: int = 0
) -> Iterator[AudioFrame]:
    """
    16 bit little endian PCM in frames of at most FRAME_SAMPLES.

    `first` is the number of the first sample in its stream. Half a sample at the end is dropped.
    """
    step = SAMPLE_BYTES * channels
    whole = len(pcm) - len(pcm) % step
    layout = "mono" if channels == 1 else f"{channels} channels"
    view = memoryview(pcm)
    for start in range(0, whole, FRAME_SAMPLES * step):
        piece = view[start : min(start + FRAME_SAMPLES * step, whole)]
        frame = AudioFrame(format="s16", layout=layout, samples=len(piece) // step, align=1)
        frame.planes[0].update(bytes(piece))
        frame.sample_rate = rate_hz
        frame.pts = first + start // step
        frame.time_base = Fraction(1, rate_hz)
        yield frame
