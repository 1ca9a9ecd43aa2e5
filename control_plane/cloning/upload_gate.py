"""How many uploads are in memory at once; the others wait at the door, with their bodies unread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from control_plane.cloning.errors import TooManyUploads

UPLOADS_MAX: Final = 16  # of 5 MiB and their copies: 300 MB at worst
WAITING_MAX: Final = 2_000
WAIT_S: Final = 60.0  # a client that waits longer has gone


class UploadGate:
    """One a process."""

    def __init__(
        self,
        *,
        uploads_max: int = UPLOADS_MAX,
        waiting_max: int = WAITING_MAX,
        wait_s: float = WAIT_S,
    ) -> None:
        self._places = asyncio.Semaphore(uploads_max)
        self._waiting_max = waiting_max
        self._wait_s = wait_s
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises TooManyUploads when too many wait, or after too long."""
        await self._come_in()
        try:
            yield
        finally:
            self._places.release()

    async def _come_in(self) -> None:
        if self._waiting >= self._waiting_max:
            raise TooManyUploads
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise TooManyUploads from None
        finally:
            self._waiting -= 1
