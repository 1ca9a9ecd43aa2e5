"""
Writes down both voices of one call while it goes on, off its event loop.

Nothing here reaches the call: what is heard is copied into a timeline of a few seconds, a thread
encodes it twice a second, and whatever goes wrong ends the recording and nothing else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from agent.recording.shelf import Shelf, ShelfFull
from agent.recording.tape import Tape, TapeFull
from agent.recording.timeline import Side, Timeline
from agent.sound import RATE_HZ
from shared.clock import Clock
from shared.log import get_logger
from shared.recording_protocol import RECORDING_S_MAX

log = get_logger(__name__)

WRITE_EVERY_S = 0.5
LAG_S = 1.0  # until then a voice may still be cut, or come late
STALL_MAX_S = 30.0  # a disk that is slower is no place for a recording
CLOSE_MAX_S = 5.0


@dataclass(slots=True)
class Recorder:
    """`on_stopped`: it ended by itself, full or failed. What was written until then is kept."""

    shelf: Shelf
    call_id: UUID
    epoch: int
    clock: Clock
    on_stopped: Callable[[], None]
    _timeline: Timeline = field(default_factory=Timeline)
    _tape: Tape | None = None
    _began_s: float = 0.0
    _writing: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_running(self) -> bool:
        return self._writing is not None and not self._writing.done() and not self._stop.is_set()

    async def start(self) -> bool:
        """Whether it runs now."""
        try:
            self._tape = await asyncio.to_thread(Tape, self.shelf, self.call_id, self.epoch)
        except (OSError, ValueError, ShelfFull) as problem:
            self._log_failure(problem)
            return False
        self._began_s = self.clock.monotonic()
        self._writing = asyncio.create_task(self._write_on(self._tape), name="recorder")
        return True

    def heard(self, pcm: bytes) -> None:
        """The caller, just now. Mono PCM of 16 bit and RATE_HZ."""
        if self.is_running:
            self._timeline.put(Side.CALLER, pcm, at=self._now - len(pcm) // 2)

    def played(self, pcm: bytes, *, in_s: float) -> None:
        """The agent, to be heard from `in_s` on."""
        if self.is_running:
            self._timeline.put(Side.AGENT, pcm, at=self._now + round(in_s * RATE_HZ))

    def cut(self) -> None:
        """The agent fell silent; what was to come is never heard."""
        if self.is_running:
            self._timeline.cut(Side.AGENT, at=self._now)

    async def finish(self) -> None:
        """Write what is left, and let it be delivered."""
        await self._end()

    async def discard(self) -> None:
        """There was never a recording."""
        if self._tape:
            self._tape.remove()  # first: nobody delivers it any more
            await self._end()

    @property
    def _now(self) -> int:
        return round((self.clock.monotonic() - self._began_s) * RATE_HZ)

    async def _end(self) -> None:
        self._stop.set()
        if self._writing:
            # A thread that hangs keeps the lock; the file is delivered when the process ends.
            await asyncio.wait([self._writing], timeout=CLOSE_MAX_S)

    async def _write_on(self, tape: Tape) -> None:
        try:
            while not self._stop.is_set() and self._timeline.taken < RECORDING_S_MAX * RATE_HZ:
                await self._pause()
                lag = 0 if self._stop.is_set() else round(LAG_S * RATE_HZ)
                await self._write(tape, until=self._now - lag)
            await asyncio.to_thread(tape.close)
        except TapeFull:
            await asyncio.to_thread(tape.close)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the call goes on
            self._log_failure(problem)
            tape.abandon()
        if not self._stop.is_set():
            self._stop.set()
            self.on_stopped()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), WRITE_EVERY_S)
        except TimeoutError:
            return

    async def _write(self, tape: Tape, *, until: int) -> None:
        if until - self._timeline.taken > STALL_MAX_S * RATE_HZ:
            raise TimeoutError("the disk is too slow")
        while stereo := self._timeline.take(until=until):
            await asyncio.to_thread(tape.write, stereo)

    def _log_failure(self, problem: Exception) -> None:
        log.warning("recording_failed", call_id=str(self.call_id), error=type(problem).__name__)
