"""The simulated caller's ear: the audio it really receives, independent of what anybody reports."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import numpy as np
from livekit import rtc

from local.hearing import LOUD

if TYPE_CHECKING:
    from local.hearing import Hearing
    from shared.clock import Clock

RATE_HZ = 24_000
FRAME_MS = 50  # 20 frames a second and call; the onset inside a frame is found to the sample


class Ear:
    """Listens to every audio track it is given; what it hears goes into one `Hearing`."""

    def __init__(self, hearing: Hearing, *, clock: Clock) -> None:
        self._hearing = hearing
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, track: rtc.Track) -> None:
        task = asyncio.create_task(self._follow(track))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=FRAME_MS)
        try:
            async for event in stream:
                self._hear(event.frame)
        finally:
            await stream.aclose()

    def _hear(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16)
        # Not abs(): the most negative sample has no positive twin in 16 bits.
        loud = np.flatnonzero((samples > LOUD) | (samples < -LOUD))
        if loud.size:
            frame_from_s = self._clock.monotonic() - samples.size / RATE_HZ
            self._hearing.hear(
                from_s=frame_from_s + int(loud[0]) / RATE_HZ,
                until_s=frame_from_s + (int(loud[-1]) + 1) / RATE_HZ,
            )
