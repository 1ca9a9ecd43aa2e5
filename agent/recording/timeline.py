"""
Two voices on one time: what comes in pieces goes out as stereo without holes.

Without a clock: whoever puts something in says when it began, in samples since the beginning.
Pieces that follow each other closely are joined, since their times of arrival jitter; after a pause
there is silence. What comes too late or in too large a heap is dropped, so nothing grows.
"""

from array import array
from dataclasses import dataclass, field
from enum import IntEnum

from agent.sound import RATE_HZ, SAMPLE_BYTES

JITTER_SAMPLES = RATE_HZ // 5  # 200 ms: a hole or an overlap below it is none
LANE_SAMPLES_MAX = 10 * RATE_HZ  # waiting to be taken; whoever takes comes twice a second


class Side(IntEnum):
    """The order of the channels."""

    CALLER = 0
    AGENT = 1


@dataclass(slots=True)
class _Lane:
    """16 bit mono from sample `begin` on."""

    begin: int = 0
    pcm: bytearray = field(default_factory=bytearray)

    @property
    def end(self) -> int:
        return self.begin + len(self.pcm) // SAMPLE_BYTES

    def put(self, pcm: bytes, *, at: int) -> None:
        hole = at - self.end
        if hole < -JITTER_SAMPLES:
            return  # it comes faster than time passes, or much too late
        silence = bytes(hole * SAMPLE_BYTES if hole > JITTER_SAMPLES else 0)
        if len(self.pcm) + len(silence) + len(pcm) <= LANE_SAMPLES_MAX * SAMPLE_BYTES:
            self.pcm += silence
            self.pcm += pcm

    def cut(self, *, at: int) -> None:
        del self.pcm[max(at - self.begin, 0) * SAMPLE_BYTES :]

    def take(self, samples: int) -> "array[int]":
        size = samples * SAMPLE_BYTES
        taken = array("h", bytes(self.pcm[:size]).ljust(size, b"\0"))
        del self.pcm[:size]
        self.begin += samples
        return taken


class Timeline:
    """PCM of 16 bit and RATE_HZ. `taken` is how many samples have gone out."""

    def __init__(self) -> None:
        self._lanes = {side: _Lane() for side in Side}

    @property
    def taken(self) -> int:
        return self._lanes[Side.CALLER].begin

    def put(self, side: Side, pcm: bytes, *, at: int) -> None:
        """Mono PCM whose first sample belongs to `at`."""
        self._lanes[side].put(pcm, at=at)

    def cut(self, side: Side, *, at: int) -> None:
        """What was put in for later than `at` was never heard."""
        self._lanes[side].cut(at=at)

    def take(self, *, until: int) -> bytes:
        """Stereo from where the last one ended to `until`, LANE_SAMPLES_MAX at most."""
        samples = min(max(until - self.taken, 0), LANE_SAMPLES_MAX)
        stereo = array("h", bytes(samples * len(Side) * SAMPLE_BYTES))
        for side, lane in self._lanes.items():
            stereo[side :: len(Side)] = lane.take(samples)
        return stereo.tobytes()
