"""
Ogg/Opus in a file, written as it comes: what a crash leaves can be played.

Blocking, for threads; one call at a time.
"""

from fractions import Fraction
from typing import Any, BinaryIO
from uuid import UUID

from agent.recording.shelf import Shelf
from agent.recording.timeline import Side
from agent.sound import RATE_HZ, SAMPLE_BYTES
from shared.recording_protocol import RECORDING_BYTES_MAX

BITS_PER_S = 32_000  # two voices that seldom speak at once
# 8 ms of CPU for a second of call instead of 12, and no difference for voices.
OPTIONS = {"application": "voip", "compression_level": "5"}
ROOM_FOR_END_BYTES = 64 * 1024  # what a codec still has to say when it is closed
_FRAME_BYTES = len(Side) * SAMPLE_BYTES


class TapeFull(Exception):
    """The file is as large as the control plane takes."""


class Tape:
    """One file. Raises OSError and FFmpeg's errors, which are OSErrors or ValueErrors."""

    def __init__(self, shelf: Shelf, call_id: UUID, epoch: int) -> None:
        import av  # noqa: PLC0415 - the framework has loaded it; a call without recording needs none

        self._path = shelf.path_of(call_id, epoch)
        self._file = shelf.new_file(call_id, epoch)
        self._samples = 0
        try:
            self._container: Any = av.open(_Outlet(self._file), "w", format="ogg")
            self._stream = self._container.add_stream("libopus", rate=RATE_HZ, layout="stereo")
            self._stream.codec_context.options = OPTIONS
            self._stream.codec_context.thread_count = 1
            self._stream.bit_rate = BITS_PER_S
        except BaseException:
            self.remove()
            self.abandon()
            raise

    def write(self, stereo: bytes) -> None:
        """Raises TapeFull."""
        from av import AudioFrame  # noqa: PLC0415

        if self._file.tell() + len(stereo) // 4 + ROOM_FOR_END_BYTES > RECORDING_BYTES_MAX:
            raise TapeFull
        samples = len(stereo) // _FRAME_BYTES
        frame = AudioFrame(format="s16", layout="stereo", samples=samples, align=1)
        frame.planes[0].update(stereo)
        frame.sample_rate = RATE_HZ
        frame.pts = self._samples
        frame.time_base = Fraction(1, RATE_HZ)
        self._samples += samples
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """The end of the file; from now on it is delivered."""
        try:
            if self._samples:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Without an end; what was written until now is delivered."""
        self._file.close()

    def remove(self) -> None:
        """As if there had never been one; it may still be written and closed."""
        self._path.unlink(missing_ok=True)


class _Outlet:
    """Cannot be wound back, so FFmpeg hands on each page as soon as it is full."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        return len(data)
