"""
The crash journal of one worker group: a memory-mapped file of 64 bytes a call.

The kernel keeps what was written when a process is killed, so whoever survives knows every call's
last second. Each record has one writer: the call writes its watermark, the charger writes what the
control plane answered. Readers check the CRC and read again when they met a half-written record.

    page 0    magic, slots, worker id, mode; then for each cell its generation and readiness
    slot n    watermark 32 bytes | answer 32 bytes

A cell that dies gets a new generation number, so the calls of its former life are known as dead.
The file is locked (flock) as long as any process of the group lives.
"""

import fcntl
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self
from uuid import UUID

SUFFIX = ".journal"
MAGIC = b"SXCJRN01"
HEADER_BYTES = 4096
SLOT_BYTES = 64
CELLS_MAX = 200  # what fits into the header page
WORKER_ID_BYTES = 64
READ_ATTEMPTS = 16  # a writer needs well under a microsecond; a torn record stays torn

_HEADER = struct.Struct(f"<8sII{WORKER_ID_BYTES}s")
_MODE = struct.Struct("<I")
_MODE_AT = _HEADER.size
_CELL = struct.Struct("<II")
_CELLS_AT = 128
_WATERMARK = struct.Struct("<16sIHHBBxx")
_ANSWER = struct.Struct("<16sIIHBB")
_CRC = struct.Struct("<I")
_RECORD_BYTES = 32
_BLANK = bytes(_RECORD_BYTES)
_GENERATIONS = 2**16 - 1
NOBODY = 2**16 - 1  # the generation of no cell: a record we had to make up belongs to a dead one


class Mode(IntEnum):
    """What the whole worker group is doing."""

    SERVING = 0
    DRAINING = 1  # no new calls; those that run may finish
    ENDING = 2  # end every call now


class SlotState(IntEnum):
    FREE = 0
    WAITING = 1  # the call is ours, its clock has not begun
    LIVE = 2
    ENDED = 3


class AnswerFlag(IntEnum):
    FINAL = 1
    FENCED = 2
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class Watermark:
    """What the call says of itself. `reason_code` is the journal code of an end reason, or 0."""

    call_id: UUID
    epoch: int
    seconds: int
    generation: int
    state: SlotState
    reason_code: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the control plane said of it last. `end_code`: how it ended, once `closed`."""

    call_id: UUID
    epoch: int
    granted_seconds: int
    settled_seconds: int
    final_unit: bool = False
    fenced: bool = False
    closed: bool = False
    end_code: int = 0


class Journal:
    """An open journal file. Create or adopt one; never share the object between files."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        magic, cells, slots_per_cell, worker_id = _HEADER.unpack_from(self._map, 0)
        self.cells, self.slots_per_cell = int(cells), int(slots_per_cell)
        size = HEADER_BYTES + self.cells * self.slots_per_cell * SLOT_BYTES
        if magic != MAGIC or size != len(self._map) or self.cells > CELLS_MAX:
            self._map.close()
            raise ValueError("not a journal of this version")
        self.worker_id = worker_id.rstrip(b"\0").decode()

    @classmethod
    def create(cls, folder: Path, *, worker_id: str, cells: int, slots_per_cell: int) -> Self:
        """A new locked file. It gets its name only when complete, so nobody reads half of it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{worker_id}{SUFFIX}"
        draft = path.with_suffix(".draft")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, HEADER_BYTES + cells * slots_per_cell * SLOT_BYTES)
        os.pwrite(fd, _HEADER.pack(MAGIC, cells, slots_per_cell, worker_id.encode()), 0)
        draft.rename(path)
        return cls(path, fd)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """
        The journal of a dead group, now locked by us. None while anyone of it lives.

        Raises ValueError when the file is no journal of this version.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not _lock_existing(fd):
            os.close(fd)
            return None
        try:
            return cls(path, fd)
        except (ValueError, struct.error) as problem:
            os.close(fd)
            raise ValueError("not a journal of this version") from problem

    @property
    def slots(self) -> range:
        return range(self.cells * self.slots_per_cell)

    def slots_of(self, cell: int) -> range:
        return range(cell * self.slots_per_cell, (cell + 1) * self.slots_per_cell)

    def cell_of(self, slot: int) -> int:
        return slot // self.slots_per_cell

    @property
    def mode(self) -> Mode:
        return Mode(_MODE.unpack_from(self._map, _MODE_AT)[0])

    def set_mode(self, mode: Mode) -> None:
        _MODE.pack_into(self._map, _MODE_AT, mode)

    def generation(self, cell: int) -> int:
        generation, _ready = _CELL.unpack_from(self._map, _CELLS_AT + cell * _CELL.size)
        return int(generation)

    def is_ready(self, cell: int) -> bool:
        return bool(_CELL.unpack_from(self._map, _CELLS_AT + cell * _CELL.size)[1])

    def set_ready(self, cell: int, *, ready: bool) -> None:
        """The cell can take calls: it is registered with LiveKit."""
        at = _CELLS_AT + cell * _CELL.size
        _CELL.pack_into(self._map, at, self.generation(cell), int(ready))

    def bury(self, cell: int) -> None:
        """The cell is dead: whatever it left running belongs to nobody now."""
        generation = (self.generation(cell) + 1) % _GENERATIONS
        _CELL.pack_into(self._map, _CELLS_AT + cell * _CELL.size, generation, 0)

    def write_watermark(self, slot: int, mark: Watermark) -> None:
        body = _WATERMARK.pack(
            mark.call_id.bytes,
            mark.seconds,
            mark.epoch,
            mark.generation,
            mark.state,
            mark.reason_code,
        )
        self._write(HEADER_BYTES + slot * SLOT_BYTES, body)

    def write_answer(self, slot: int, answer: Answer) -> None:
        flags = (
            answer.final_unit * AnswerFlag.FINAL
            | answer.fenced * AnswerFlag.FENCED
            | answer.closed * AnswerFlag.CLOSED
        )
        body = _ANSWER.pack(
            answer.call_id.bytes,
            answer.granted_seconds,
            answer.settled_seconds,
            answer.epoch,
            flags,
            answer.end_code,
        )
        self._write(HEADER_BYTES + slot * SLOT_BYTES + _RECORD_BYTES, body)

    def watermark(self, slot: int) -> Watermark | None:
        """
        None when the slot was never used. A record that stays torn was left by a process killed in
        the middle of writing it: what the control plane last confirmed stands in for it.
        """
        body = self._read(HEADER_BYTES + slot * SLOT_BYTES)
        if body is None:
            return self._confirmed(slot) if self._is_used(slot) else None
        call_id, seconds, epoch, generation, state, reason_code = _WATERMARK.unpack(body)
        return Watermark(
            UUID(bytes=call_id), epoch, seconds, generation, SlotState(state), reason_code
        )

    def answer(self, slot: int) -> Answer | None:
        """None before the first answer in this slot."""
        body = self._read(HEADER_BYTES + slot * SLOT_BYTES + _RECORD_BYTES)
        if body is None:
            return None
        call_id, granted, settled, epoch, flags, end_code = _ANSWER.unpack(body)
        return Answer(
            UUID(bytes=call_id),
            epoch,
            granted,
            settled,
            bool(flags & AnswerFlag.FINAL),
            bool(flags & AnswerFlag.FENCED),
            bool(flags & AnswerFlag.CLOSED),
            end_code,
        )

    def answer_to(self, mark: Watermark, slot: int) -> Answer | None:
        """The answer in the slot, when it is about this very call and epoch."""
        answer = self.answer(slot)
        if answer and (answer.call_id, answer.epoch) == (mark.call_id, mark.epoch):
            return answer
        return None

    def is_settled(self, slot: int) -> bool:
        """Nothing is owed for this slot: it may be used again, or thrown away with the file."""
        mark = self.watermark(slot)
        if mark is None or mark.state is SlotState.FREE:
            return True
        answer = self.answer_to(mark, slot)
        return bool(answer and answer.closed)

    def remove(self) -> None:
        """Delete the file (every call in it was closed) and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)

    def _is_used(self, slot: int) -> bool:
        at = HEADER_BYTES + slot * SLOT_BYTES
        return self._map[at : at + _RECORD_BYTES] != _BLANK

    def _confirmed(self, slot: int) -> Watermark | None:
        answer = self.answer(slot)
        if answer is None:
            return None
        return Watermark(
            answer.call_id, answer.epoch, answer.settled_seconds, NOBODY, SlotState.LIVE
        )

    def _write(self, at: int, body: bytes) -> None:
        self._map[at : at + _RECORD_BYTES] = body + _CRC.pack(zlib.crc32(body))

    def _read(self, at: int) -> bytes | None:
        for _ in range(READ_ATTEMPTS):
            record = self._map[at : at + _RECORD_BYTES]
            if record == _BLANK:
                return None
            body, (crc,) = record[: -_CRC.size], _CRC.unpack(record[-_CRC.size :])
            if zlib.crc32(body) == crc:
                return body
        return None


def _lock_existing(fd: int) -> bool:
    """False when somebody else has the file, or had it and removed it just now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0
