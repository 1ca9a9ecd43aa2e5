"""A lock that the kernel releases when its holder dies, whatever way."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

RETRY_S = 0.5  # between two tries for a lock that another process holds


class Held(Exception):
    """Another process holds the lock. `pid` is None where it did not say."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Take the lock and write our process id into it. Raises Held."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(_pid(path)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


@asynccontextmanager
async def held_in_turn(path: Path) -> AsyncIterator[None]:
    """Wait for the lock for as long as it takes; can be cancelled meanwhile."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(path))
                break
            except Held:
                await asyncio.sleep(RETRY_S)
        yield


def holder(path: Path) -> int | None:
    """The process that holds the lock, None when nobody does."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _pid(path)
    return None


def _pid(path: Path) -> int | None:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None
