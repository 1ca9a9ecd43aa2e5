"""Who kills what, when. Every blow is drawn from one seeded source and noted with its time."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from local.stack import Stack
from shared.clock import SystemClock

DOWN_S = (0.3, 2.0)  # how long a killed server stays away


@dataclass(frozen=True, slots=True)
class Blow:
    """One kill and the calls it hit."""

    kind: str
    at: datetime
    calls: tuple[UUID, ...] = ()


@dataclass
class Saboteur:
    """Kills processes of the stack and brings them back, one at a time."""

    stack: Stack
    rng: random.Random
    blows: list[Blow] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)

    def note(self, kind: str, calls: tuple[UUID, ...] = ()) -> None:
        self.blows.append(Blow(kind, SystemClock().now(), calls))

    def draw(self, kinds: Sequence[str]) -> str:
        """The next of a shuffled deck, so that also a short storm has each kind in it."""
        if not self._deck:
            self._deck = self.rng.sample(kinds, len(kinds))
        return self._deck.pop()

    async def rage(
        self, calm: asyncio.Event, every_s: tuple[float, float], blow: Callable[[], Awaitable[None]]
    ) -> None:
        """Blow after blow until `calm` is set; the last one is made good before this returns."""
        while True:
            try:
                await asyncio.wait_for(calm.wait(), timeout=self.rng.uniform(*every_s))
            except TimeoutError:
                await blow()
            else:
                return

    async def strike(self, process: str, *, called: str | None = None) -> None:
        """Kill it without mercy, wait, start it again. Postgres stops without a checkpoint."""
        self.note(called or process)
        number = signal.SIGQUIT if process == "postgres" else signal.SIGKILL
        self.stack.kill(process, number)
        await asyncio.sleep(self.rng.uniform(*DOWN_S))
        await self.stack.start_process(process)

    @property
    def counts(self) -> Counter[str]:
        return Counter(blow.kind for blow in self.blows)
