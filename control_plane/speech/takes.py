"""
Work of providers under way. It belongs to all who want it: it is cancelled when the last one goes.

Who began it may go away while others wait; then the next one takes it over instead of asking the
provider again, and pays for it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from control_plane.speech.production import Take


class Takes:
    """In one process. Takes are named like flights."""

    def __init__(self) -> None:
        self._wanted_by: Counter[bytes] = Counter()
        self._under_way: dict[bytes, asyncio.Task[Take]] = {}

    @property
    def wishes(self) -> int:
        """How many want a take that is not there yet."""
        return self._wanted_by.total()

    @asynccontextmanager
    async def wanted(self, key: bytes) -> AsyncIterator[None]:
        """Somebody may need the take until the block ends; the last one out ends its work."""
        self._wanted_by[key] += 1
        try:
            yield
        finally:
            self._wanted_by[key] -= 1
            if not self._wanted_by[key]:
                del self._wanted_by[key]
                await self._drop(key)

    async def of(self, key: bytes, make: Callable[[], Coroutine[Any, Any, Take]]) -> Take:
        """
        What is under way already, else what `make` begins; raises what that raises.

        One at a time asks for a key, and only inside of `wanted`. When it is cancelled, the work
        goes on for the others.
        """
        assert self._wanted_by[key], "who wants no take cannot have one"
        making = self._under_way.get(key)
        if making is None:
            making = self._under_way[key] = asyncio.create_task(make())
        try:
            return await asyncio.shield(making)
        finally:
            if making.done():  # told: bad or good, the next one begins anew
                self._under_way.pop(key, None)

    async def _drop(self, key: bytes) -> None:
        making = self._under_way.pop(key, None)
        if making is None:
            return
        making.cancel()
        await asyncio.wait({making})
        if not making.cancelled():
            making.exception()  # nobody is interested any more
