"""
A circuit breaker: after some failures in a row nobody waits for what will fail anyway.

Closed, it lets everybody through. Open, nobody, for a while. Then it lets one through to look
(half open): it closes when that one succeeds, else it opens again.
"""

from dataclasses import dataclass
from typing import Final

from shared.clock import Clock

FAILURES_MAX: Final = 5  # in a row; three attempts of one request are not enough to open it
OPEN_S: Final = 15.0  # short: a provider that comes back is missed by somebody
PROBE_S: Final = 180.0  # a probe nobody told the end of is forgotten; above the longest attempt


@dataclass(slots=True)
class Breaker:
    """Counts; decides nothing about what a failure is. The caller tells how each attempt ended."""

    clock: Clock
    failures_max: int = FAILURES_MAX
    open_s: float = OPEN_S
    probe_s: float = PROBE_S
    _failures: int = 0
    _admits_at_s: float = 0.0  # no attempt before this moment of the monotonic clock
    _is_probing: bool = False

    @property
    def is_open(self) -> bool:
        return self._failures >= self.failures_max

    def admit(self) -> bool:
        """Whether an attempt may be made now. True while open means: this one is the probe."""
        if not self.is_open:
            return True
        now_s = self.clock.monotonic()
        if now_s < self._admits_at_s:
            return False
        self._admits_at_s = now_s + self.probe_s  # the others wait for its result
        self._is_probing = True
        return True

    def wait_s(self) -> float:
        """Seconds until somebody is admitted again; 0 when closed."""
        if not self.is_open:
            return 0.0
        return max(0.0, self._admits_at_s - self.clock.monotonic())

    def succeeded(self) -> None:
        self._failures = 0
        self._is_probing = False

    def failed(self) -> None:
        self._failures += 1
        self._is_probing = False
        if self.is_open:
            self._admits_at_s = self.clock.monotonic() + self.open_s

    def abandoned(self) -> None:
        """The attempt says nothing about the provider; if it was the probe, the next one is it."""
        if self._is_probing:
            self._is_probing = False
            self._admits_at_s = self.clock.monotonic()
