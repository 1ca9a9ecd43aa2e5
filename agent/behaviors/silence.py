"""Hang up when nobody has said anything for a while: an open line costs the caller money."""

from dataclasses import dataclass


@dataclass(slots=True)
class Silence:
    """Fed with what is heard; owns no clock."""

    limit_s: float
    _since_s: float | None = None

    def is_too_long(self, *, someone_speaks: bool, now_s: float) -> bool:
        if someone_speaks or self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= self.limit_s
