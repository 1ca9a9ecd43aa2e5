"""What is in decoded samples: how loud, and how much of it is more than silence."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.filter import Graph
from numpy.typing import NDArray

from control_plane.audio.frames import frames_of
from control_plane.audio.port import SPEECH_RATE_HZ

FULL_SCALE: Final = 32_768
SILENCE_DBFS: Final = -100.0  # reported for all zeros, which have no decibels
SILENCE_LUFS: Final = -70.0  # the absolute gate of BS.1770
VOICED_DBFS: Final = -50.0  # room noise of a good recording is below, a whisper above
WINDOW_SAMPLES: Final = SPEECH_RATE_HZ // 100  # 10 ms
BLOCK_SAMPLES: Final = WINDOW_SAMPLES * 6_000  # a minute at once, so that memory stays small
GATE_S: Final = 0.4  # BS.1770 looks at blocks of this length

Samples = NDArray[np.int16]


def samples_in(pcm: bytes) -> Samples:
    """`pcm` as numbers, not copied."""
    return np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)


def duration_ms(pcm: bytes) -> int:
    return round(len(pcm) // 2 * 1000 / SPEECH_RATE_HZ)


def peak_dbfs(pcm: bytes) -> float:
    """The largest sample."""
    largest = max((int(np.abs(block.astype(np.int32)).max()) for block in _blocks(pcm)), default=0)
    return 20 * math.log10(largest / FULL_SCALE) if largest else SILENCE_DBFS


def voiced_ms(pcm: bytes) -> int:
    """How much is louder than VOICED_DBFS, in windows of 10 ms; what is left at the end counts."""
    threshold = (FULL_SCALE * 10 ** (VOICED_DBFS / 20)) ** 2
    windows = 0
    for block in _blocks(pcm):
        padded = np.pad(block, (0, -len(block) % WINDOW_SAMPLES)).astype(np.float32)
        power = np.square(padded.reshape(-1, WINDOW_SAMPLES)).mean(axis=1)
        windows += int((power > threshold).sum())
    return min(windows * 10, duration_ms(pcm))


def loudness_lufs(pcm: bytes) -> float:
    """
    Integrated loudness (ITU-R BS.1770-4, as EBU R 128) of one channel, SILENCE_LUFS at least.

    What is shorter than one of its blocks is measured as if it went on.
    """
    needed = int(GATE_S * 2 * SPEECH_RATE_HZ) * 2
    if 0 < len(pcm) < needed:
        pcm = (pcm[: len(pcm) // 2 * 2] * (needed // max(2, len(pcm) // 2 * 2) + 1))[:needed]
    told = _last_word(pcm)
    return SILENCE_LUFS if math.isnan(told) else max(SILENCE_LUFS, told)


def _last_word(pcm: bytes) -> float:
    """What FFmpeg's meter says after the last sample."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=SPEECH_RATE_HZ,
        format="s16",
        layout="mono",
        time_base=Fraction(1, SPEECH_RATE_HZ),
    )
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told = math.nan
    for frame in _then_none(frames_of(pcm)):
        graph.push(frame)
        for measured in _pulled(graph):
            told = float(measured.metadata.get("lavfi.r128.I", told))
    return told


def _then_none(frames: Iterator[Any]) -> Iterator[Any]:
    yield from frames
    yield None


def _pulled(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (NothingYet, NothingMore):
            return


def _blocks(pcm: bytes) -> Iterator[Samples]:
    samples = samples_in(pcm)
    for start in range(0, len(samples), BLOCK_SAMPLES):
        yield samples[start : start + BLOCK_SAMPLES]
