"""A clock that tests can move."""

from datetime import datetime, timedelta

from shared.clock import SystemClock


class MovableClock:
    """The real clock, moved forward by `ahead_s`."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._real = SystemClock()

    def now(self) -> datetime:
        return self._real.now() + timedelta(seconds=self.ahead_s)

    def monotonic(self) -> float:
        return self._real.monotonic() + self.ahead_s
