"""The character hangs up: when its goodbye was heard, or when none came."""

from dataclasses import dataclass

GOODBYE_MAX_S = 8.0  # the caller pays for the goodbye, not for waiting for one


@dataclass(slots=True)
class Parting:
    """Fed with who speaks; owns no clock."""

    is_wanted: bool = False
    _since_s: float | None = None
    _has_begun: bool = False

    def begin(self) -> None:
        """From now on the next sentence is the last one; what is being said already is none."""
        self.is_wanted = True

    def agent_begins(self) -> None:
        """To speak, after it was silent, however shortly."""
        self._has_begun = self.is_wanted

    def is_over(self, *, agent_speaks: bool, is_quiet: bool, now_s: float) -> bool:
        if not self.is_wanted:
            return False
        if self._since_s is None or (agent_speaks and not self._has_begun):
            self._since_s = now_s
        return (self._has_begun and is_quiet) or now_s - self._since_s >= GOODBYE_MAX_S
