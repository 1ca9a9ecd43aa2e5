"""What goes wrong between our side and Stripe's API, on command."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Trouble(Enum):
    """ "Done" kinds have their effect and lose the answer."""

    FAILS = "500, nothing done, nothing kept for the key"
    FAILS_DONE = "500 although it is done; the key replays the 500 of the first time"
    RATE_LIMITS = "429"
    STALLS = "no answer for `stall_s`, nothing done"
    STALLS_DONE = "no answer for `stall_s`, although it is done"
    CUTS = "the connection is cut, nothing done"
    CUTS_DONE = "the connection is cut, although it is done"

    @property
    def is_done(self) -> bool:
        return self.name.endswith("_DONE")


@dataclass
class _Planned:
    trouble: Trouble
    times: int
    method: str | None
    path: str


@dataclass
class ApiTrouble:
    """
    `next(...)` plans one for the next matching requests; `rates` makes them by chance (seeded).

    A request is matched by its method and by a part of its path.
    """

    stall_s: float = 1.0
    rates: Mapping[Trouble, float] = field(default_factory=dict)
    happened: list[tuple[Trouble, str]] = field(default_factory=list)
    _planned: list[_Planned] = field(default_factory=list)
    _dice: random.Random | None = None

    def next(
        self, trouble: Trouble, *, times: int = 1, method: str | None = None, path: str = ""
    ) -> None:
        self._planned.append(_Planned(trouble, times, method, path))

    def by_chance(self, rates: Mapping[Trouble, float], *, seed: int) -> None:
        """Rates between 0 and 1, of all requests; {} ends it."""
        self.rates, self._dice = rates, random.Random(seed)

    def clear(self) -> None:
        self._planned.clear()
        self.rates = {}

    def strike(self, method: str, path: str) -> Trouble | None:
        found = self._by_plan(method, path) or self._by_dice()
        if found:
            self.happened.append((found, f"{method} {path}"))
        return found

    def _by_plan(self, method: str, path: str) -> Trouble | None:
        for planned in self._planned:
            if planned.method in {None, method} and planned.path in path:
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
                return planned.trouble
        return None

    def _by_dice(self) -> Trouble | None:
        if not self.rates or self._dice is None:
            return None
        thrown = self._dice.random()
        for trouble, rate in self.rates.items():
            if thrown < rate:
                return trouble
            thrown -= rate
        return None
