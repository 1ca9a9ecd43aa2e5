"""The clock of the fake: the wall's, moved forward by tests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

DAY_S = 86_400


def wall_s() -> float:
    return time.time()  # noqa: TID251  # it stands for another company's clock, not for ours


@dataclass
class Timeline:
    """`now_s` is in seconds since 1970, UTC; `at` stops it at a moment for what happens then."""

    wall: Callable[[], float] = wall_s
    ahead_s: float = 0
    _stopped: list[float] = field(default_factory=list)

    @property
    def now_s(self) -> int:
        return int(self._stopped[-1] if self._stopped else self.wall() + self.ahead_s)

    @contextmanager
    def at(self, moment_s: float) -> Iterator[None]:
        self._stopped.append(moment_s)
        try:
            yield
        finally:
            self._stopped.pop()


def month_later(start_s: int, anchor_s: int, months: int = 1) -> int:
    """The same day and time of a later month, or that month's last day, as the anchor says."""
    start, anchor = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(anchor_s, UTC)
    count = start.year * 12 + start.month - 1 + months
    year, month = divmod(count, 12)
    for day in range(anchor.day, anchor.day - 4, -1):
        try:
            moved = anchor.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
        return int(moved.timestamp())
    raise AssertionError("a month has 28 days at least")
