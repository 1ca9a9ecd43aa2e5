"""
The meter of one call: a pure state machine. It reads no clock and awaits nothing.

Whoever owns it says what time it is (any monotonic seconds), and learns what to do. While the call
runs, a second counts when it is over; at the end the second that was begun counts too. The meter
never passes the grant and never takes back a second it has shown.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

WARN_FIRST_S = 60  # the caller hears it twice, with time left to add credit
WARN_LAST_S = 20
GOODBYE_S = 6.0  # a short farewell, the model's delay before it included, ends within this
ROUNDING_S = 1e-6  # float noise must not begin another second


class MeterState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Cue(StrEnum):
    """What the call should do now. Each is given once, until a longer grant takes it back."""

    WARN_FIRST = "warn_first"
    WARN_LAST = "warn_last"
    GOODBYE = "goodbye"
    HANG_UP = "hang_up"
    WITHDRAWN = "withdrawn"  # an earlier warning no longer holds


_URGENCY = (None, Cue.WARN_FIRST, Cue.WARN_LAST, Cue.GOODBYE, Cue.HANG_UP)


@dataclass(frozen=True, slots=True)
class Tick:
    """`seconds` is absolute; `seconds_left` is what the grant still holds, rounded up."""

    seconds: int
    seconds_left: int
    cue: Cue | None


class Meter:
    """Counts the seconds of one call. `base_seconds` were billed before this worker took it."""

    def __init__(self, *, base_seconds: int, granted_seconds: int, final_unit: bool) -> None:
        self._base_seconds = base_seconds
        self._granted_seconds = max(granted_seconds, base_seconds)
        self._final_unit = final_unit
        self._shown_seconds = base_seconds
        self._banked_s = 0.0  # of the stretches that are over
        self._running_since_s = 0.0
        self._urgency = 0
        self._state = MeterState.WAITING

    @property
    def state(self) -> MeterState:
        return self._state

    @property
    def seconds(self) -> int:
        """The watermark: every second shown so far."""
        return self._shown_seconds

    @property
    def granted_seconds(self) -> int:
        return self._granted_seconds

    @property
    def final_unit(self) -> bool:
        return self._final_unit

    def start(self, at_s: float) -> None:
        """The clock of the call begins. Only the first start counts."""
        if self._state is MeterState.WAITING:
            self._state = MeterState.RUNNING
            self._running_since_s = at_s

    def pause(self, at_s: float) -> None:
        """Nothing counts from `at_s` on, which may lie in the past (media had stopped unseen)."""
        if self._state is MeterState.RUNNING:
            self._banked_s = self._elapsed_s(at_s)
            self._state = MeterState.PAUSED

    def resume(self, at_s: float) -> None:
        if self._state is MeterState.PAUSED:
            self._running_since_s = at_s
            self._state = MeterState.RUNNING

    def extend(self, *, granted_seconds: int, final_unit: bool) -> None:
        """Take the control plane's answer. A grant never shrinks: an older answer is ignored."""
        if granted_seconds < self._granted_seconds or self._state is MeterState.ENDED:
            return
        self._granted_seconds = granted_seconds
        self._final_unit = final_unit

    def tick(self, now_s: float) -> Tick:
        """Count up to `now_s` and say what is to be done."""
        if self._state is not MeterState.ENDED:
            self._show(math.floor(self._elapsed_s(now_s) + ROUNDING_S))
        return Tick(
            seconds=self._shown_seconds,
            seconds_left=math.ceil(max(self._left_s(now_s), 0.0) - ROUNDING_S),
            cue=self._next_cue(self._left_s(now_s)),
        )

    def until_next_second_s(self, now_s: float) -> float:
        """How long until the next second is over: not above 0 when due, infinite while paused."""
        if self._state is not MeterState.RUNNING:
            return math.inf
        elapsed_s = self._banked_s + now_s - self._running_since_s
        return self._shown_seconds - self._base_seconds + 1 - elapsed_s

    def last_second_at_s(self, now_s: float) -> float:
        """When the last whole second was over: up to there a second is counted, and no further."""
        if self._state is not MeterState.RUNNING:
            return now_s
        return now_s - self._elapsed_s(now_s) % 1.0

    def finish(self, at_s: float) -> int:
        """The seconds to bill: the one that was begun counts as a whole."""
        if self._state is not MeterState.ENDED:
            self._show(math.ceil(self._elapsed_s(at_s) - ROUNDING_S))
            self._state = MeterState.ENDED
        return self._shown_seconds

    def _elapsed_s(self, now_s: float) -> float:
        if self._state is not MeterState.RUNNING:
            return self._banked_s
        return self._banked_s + max(now_s - self._running_since_s, 0.0)

    def _show(self, used: int) -> None:
        bounded = min(self._base_seconds + used, self._granted_seconds)
        self._shown_seconds = max(self._shown_seconds, bounded)

    def _left_s(self, now_s: float) -> float:
        return self._granted_seconds - self._base_seconds - self._elapsed_s(now_s)

    def _next_cue(self, left_s: float) -> Cue | None:
        if self._state in (MeterState.WAITING, MeterState.ENDED):
            return None
        before, self._urgency = self._urgency, self._urgency_of(left_s)
        if self._urgency > before:
            return _URGENCY[self._urgency]
        return Cue.WITHDRAWN if self._urgency < before else None

    def _urgency_of(self, left_s: float) -> int:
        """
        Warnings are for a final grant: any other is about to be extended. Goodbye and hanging up
        are for every grant, since a grant nobody extends is one the control plane could not reach.
        """
        if left_s <= ROUNDING_S:
            return 4
        if left_s <= GOODBYE_S:
            return 3
        if not self._final_unit or left_s > WARN_FIRST_S:
            return 0
        return 2 if left_s <= WARN_LAST_S else 1
