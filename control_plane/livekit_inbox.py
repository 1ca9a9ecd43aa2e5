"""
LiveKit's webhooks, read as hints.

They come late, twice, out of order or not at all, so none of them moves money: the end of a room
only makes the reaper look at its call now, with the same evidence and the same patience as always.
"""

from dataclasses import dataclass

from billing.store import stale
from control_plane.reaper import Reaper
from control_plane.store import inbox
from shared.db import Pool, transaction

SOURCE = "livekit"
BATCH_MAX = 200  # events in one round
KEPT_DAYS = 35  # long enough for the monthly comparison of durations
HINTS = frozenset({"room_finished", "participant_left"})


@dataclass(frozen=True, slots=True)
class LiveKitInbox:
    pool: Pool
    reaper: Reaper

    async def round(self) -> int:
        """Handle what has come in; returns the number of events."""
        async with transaction(self.pool) as tx:
            events = await inbox.take(tx, source=SOURCE, limit=BATCH_MAX)
        for event in events:
            if event.kind in HINTS:
                await self._look(str((event.payload.get("room") or {}).get("name", "")))
        return len(events)

    async def _look(self, room_name: str) -> None:
        async with transaction(self.pool) as tx:
            call = await stale.open_call_in(tx, room_name)
        if call:
            await self.reaper.consider(call)

    async def purge(self) -> None:
        """Forget events older than `KEPT_DAYS`."""
        async with transaction(self.pool) as tx:
            await inbox.purge(tx, source=SOURCE, older_than_days=KEPT_DAYS)
