"""
The character knows when the time runs out, and brings the talk to an end in its own way.

The exact words of the last minute are the service's (`final_minute.py`); this is the tone between
them. Nothing is said of it while more credit may still come by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SOON_S = 120
NOW_S = 60
_NOTES = {
    0: "",
    1: (
        "About two minutes of this call are left. Begin nothing long. Do not talk about time "
        "unless the caller does."
    ),
    2: (
        "Less than a minute of this call is left. In your own character, lead the talk to a warm "
        "end: short answers, no new questions."
    ),
}

Instruct = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class WrapUp:
    """`instruct` tells the model; it is called once a change, one after the other."""

    instruct: Instruct
    _level: int = 0
    _telling: asyncio.Task[None] | None = None

    def look(self, *, seconds_left: int, final_unit: bool) -> None:
        """Never waits."""
        level = _level_of(seconds_left) if final_unit else 0
        if level == self._level:
            return
        self._level = level
        self._telling = asyncio.get_running_loop().create_task(self._tell(self._telling, level))

    async def _tell(self, before: "asyncio.Task[None] | None", level: int) -> None:
        if before:
            await asyncio.wait([before])
        await self.instruct(_NOTES[level])


def _level_of(seconds_left: int) -> int:
    if seconds_left <= NOW_S:
        return 2
    return 1 if seconds_left <= SOON_S else 0
