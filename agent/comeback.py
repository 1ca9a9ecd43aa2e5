"""
Does a line that had stopped send again? One packet in a while must not buy seconds of listening.

Pure: told at each look what time it is and whether anything came since the look before.
"""

from dataclasses import dataclass

PROVEN_FOR_S = 1.0
PAUSE_MAX_S = 0.6  # an open microphone in silence sends every 0.4 s, and we look every 0.25 s


@dataclass(slots=True)
class Comeback:
    """Of one standstill. True once the proofs have gone on for long enough."""

    _since_s: float | None = None
    _last_s: float = 0.0

    def look(self, *, is_proven: bool, now_s: float) -> bool:
        if is_proven:
            self._last_s = now_s
            if self._since_s is None:
                self._since_s = now_s
        elif now_s - self._last_s > PAUSE_MAX_S:
            self._since_s = None
        return is_proven and self._since_s is not None and now_s - self._since_s >= PROVEN_FOR_S
