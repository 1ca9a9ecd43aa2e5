"""
The folder of recordings: one file a call and agent, locked by whoever still writes it.

A lock ends with its process, however that dies, so a file without one is finished, or left behind:
both are delivered in the same way. Nothing of a name says whose call it was.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

SUFFIX = ".ogg"
FOLDER = "recordings"  # beside the journals
FOLDER_MODE = 0o700
FILE_MODE = 0o600
FOLDER_BYTES_MAX = 4 * 2**30  # what could not be delivered; with more, nothing new is recorded
FILES_MAX = 10_000
BEGINNING_S = 10.0  # an empty file that is younger may not be locked yet

_NAME = re.compile(r"(?P<call>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?P<epoch>[0-9]{1,5})")


class ShelfFull(Exception):
    """Too much waits to be delivered."""


@dataclass(frozen=True, slots=True)
class Left:
    """A file that nobody writes any more. Its lock is ours while `file` is open."""

    call_id: UUID
    epoch: int
    path: Path
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Shelf:
    """Everything here blocks: call it from a thread."""

    folder: Path

    def new_file(self, call_id: UUID, epoch: int) -> BinaryIO:
        """A file for one recording, locked until it is closed. Raises OSError or ShelfFull."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        if sum(seen.st_size for _, seen in self._files()) >= FOLDER_BYTES_MAX:
            raise ShelfFull
        descriptor = os.open(self.path_of(call_id, epoch), os.O_RDWR | os.O_CREAT, FILE_MODE)
        file = os.fdopen(descriptor, "wb", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate()
        except OSError:
            file.close()
            raise
        return file

    def path_of(self, call_id: UUID, epoch: int) -> Path:
        return self.folder / f"{call_id}.{epoch}{SUFFIX}"

    def left(self, *, now_s: float) -> Iterator[Left]:
        """
        What is to be delivered, oldest first; each is unlocked when the next is asked for.

        `now_s` is in seconds since 1970, as a file's times are.
        """
        for path, _ in self._files():
            name = _NAME.fullmatch(path.stem)
            file = _opened(path, now_s=now_s) if name else None
            if file and name:
                with file:
                    yield Left(UUID(name["call"]), int(name["epoch"]), path, file)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Oldest first."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):  # delivered while we look
                found.append((path, path.stat()))
        return sorted(found, key=lambda file: file[1].st_mtime)[:FILES_MAX]


def _opened(path: Path, *, now_s: float) -> BinaryIO | None:
    """With its lock; None while somebody writes it, or when it is gone."""
    try:
        seen = path.stat()
        if seen.st_size == 0 and now_s - seen.st_mtime < BEGINNING_S:
            return None
        file = path.open("rb")
    except FileNotFoundError:  # a neighbour was faster
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if os.fstat(file.fileno()).st_nlink == 0:  # taken back while we waited for the lock
        file.close()
        return None
    return file
