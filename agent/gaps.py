"""Stretches of a call that nobody pays for: each open reason stops the clock until all are over."""

from dataclasses import dataclass, field
from enum import StrEnum

from agent.meter import Meter


class Gap(StrEnum):
    CALLER_AWAY = "caller_away"  # the caller's connection was lost and may come back
    MEDIA_STOPPED = "media_stopped"  # nothing is heard of a caller who should be there
    ROOM_LOST = "room_lost"  # our own connection to the room
    PROVIDER_DOWN = "provider_down"  # the voice model cannot answer


@dataclass(slots=True)
class Gaps:
    meter: Meter
    _begun_s: dict[Gap, float] = field(default_factory=dict)

    def begin(self, gap: Gap, at_s: float) -> None:
        """`at_s` may lie in the past, where the evidence ended."""
        self._begun_s.setdefault(gap, at_s)
        self.meter.pause(at_s)

    def end(self, gap: Gap, now_s: float) -> None:
        if self._begun_s.pop(gap, None) is not None and not self._begun_s:
            self.meter.resume(now_s)

    def too_long(self, limit_s: float, now_s: float) -> Gap | None:
        """Once any gap has lasted too long: the one that opened first, which is the cause."""
        if any(now_s - begun_s >= limit_s for begun_s in self._begun_s.values()):
            return next(iter(self._begun_s))
        return None

    def __contains__(self, gap: Gap) -> bool:
        return gap in self._begun_s

    def __bool__(self) -> bool:
        return bool(self._begun_s)
