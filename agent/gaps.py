"""
Stretches of a call that nobody pays for: each open reason stops the clock until all are over.

What stood still, since when and how long is kept for the receipt.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from agent.meter import Meter, MeterState
from shared.call_protocol import Gap

GAPS_MAX = 100  # of one agent's part of a call; a line that bad is not listed any further

Cause = Literal["caller_away", "media_lost", "provider_away"]


class GapKind(StrEnum):
    CALLER_AWAY = "caller_away"  # the caller's connection was lost and may come back
    MEDIA_STOPPED = "media_stopped"  # nothing is heard of a caller who should be there
    ROOM_LOST = "room_lost"  # our own connection to the room
    PROVIDER_DOWN = "provider_down"  # the voice model cannot answer


_CAUSES: dict[GapKind, Cause] = {
    GapKind.CALLER_AWAY: "caller_away",
    GapKind.MEDIA_STOPPED: "media_lost",
    GapKind.ROOM_LOST: "media_lost",
    GapKind.PROVIDER_DOWN: "provider_away",
}


@dataclass(slots=True)
class Standstill:
    """One stretch, named by what stopped the clock first. `ended_s` is None while it lasts."""

    cause: Cause
    at_seconds: int  # what the meter showed
    begun_s: float
    ended_s: float | None = None

    def report(self, index: int, now_s: float) -> Gap:
        ended_s = now_s if self.ended_s is None else self.ended_s
        lasted_s = round(max(ended_s - self.begun_s, 0.0), 3)
        return Gap(index=index, at_s=self.at_seconds, lasted_s=lasted_s, cause=self.cause)


@dataclass(slots=True)
class Gaps:
    meter: Meter
    standstills: list[Standstill] = field(default_factory=list)
    _begun_s: dict[GapKind, float] = field(default_factory=dict)

    def begin(self, gap: GapKind, at_s: float) -> None:
        """`at_s` may lie in the past, where the evidence ended."""
        if self.meter.state is MeterState.RUNNING and len(self.standstills) < GAPS_MAX:
            self.standstills.append(Standstill(_CAUSES[gap], self.meter.seconds, at_s))
        self._begun_s.setdefault(gap, at_s)
        self.meter.pause(at_s)

    def end(self, gap: GapKind, now_s: float) -> None:
        if self._begun_s.pop(gap, None) is not None and not self._begun_s:
            self.close(now_s)
            self.meter.resume(now_s)

    def skip(self, since_s: float, until_s: float) -> None:
        """A stretch known only when it is over: this process itself stood still."""
        if self.meter.state is not MeterState.RUNNING:
            return  # a part of the gap that is open
        if len(self.standstills) < GAPS_MAX:
            stretch = Standstill("media_lost", self.meter.seconds, since_s, until_s)
            self.standstills.append(stretch)
        self.meter.pause(since_s)
        self.meter.resume(until_s)

    def close(self, now_s: float) -> None:
        """The stretch that lasts is over, perhaps because the call is."""
        if self.standstills and self.standstills[-1].ended_s is None:
            self.standstills[-1].ended_s = now_s

    def too_long(self, now_s: float, *, line_s: float, provider_s: float) -> GapKind | None:
        """
        Once any gap has lasted too long: the one that opened first, which is the cause.

        `provider_s` is for the voice model to come back, `line_s` for everything else.
        """
        for gap, begun_s in self._begun_s.items():
            limit_s = provider_s if gap is GapKind.PROVIDER_DOWN else line_s
            if now_s - begun_s >= limit_s:
                return next(iter(self._begun_s))
        return None

    def __contains__(self, gap: GapKind) -> bool:
        return gap in self._begun_s

    def __bool__(self) -> bool:
        return bool(self._begun_s)
