"""
Does the voice model still answer? A caller does not pay for talking to nobody.

A pure state machine: told what happens and what time it is, it says when the provider counts as
down and when it is back. Down is: the connection was lost, a question of ours stays unanswered, or
the caller was heard and gets no reply.
"""

from collections.abc import Callable
from dataclasses import dataclass

QUIET_S = 4.0  # without any event from the provider we ask for one
PING_ANSWER_S = 3.0
REPLY_S = 10.0  # a model that heard the caller and says nothing for so long will not
LATE_S = 2.0  # a caller who waits longer is told


@dataclass(slots=True)
class ProviderWatch:
    """
    `ping` sends something the provider must answer with any event. `on_stalled`: it does not
    answer on a connection that looks well. `on_late`: it has been down for so long that the caller
    must be told; once each time it is down.
    """

    on_down: Callable[[], None]
    on_up: Callable[[], None]
    ping: Callable[[], None]
    on_stalled: Callable[[], None]
    on_late: Callable[[], None]
    _heard_s: float | None = None
    _pinged_s: float | None = None
    _asked_s: float | None = None
    _down_s: float | None = None
    _is_told: bool = False
    _owes_reply: bool = False
    _has_answered: bool = False  # since the caller was last heard

    def event(self, now_s: float) -> None:
        """Anything came from the provider."""
        self._heard_s, self._pinged_s = now_s, None
        if not self._owes_reply:
            self._set_up()

    def lost(self, now_s: float) -> None:
        """The connection broke; it is being made again."""
        self._heard_s, self._pinged_s = now_s, None
        self._set_down(now_s)

    def caller_speaks(self) -> None:
        self._asked_s, self._has_answered = None, False

    def caller_paused(self) -> None:
        """What is said from here on is an answer to that."""
        self._has_answered = False

    def caller_was_heard(self, now_s: float) -> None:
        """The caller's words are known; they may come after the answer to them."""
        if not self._has_answered:
            self._asked_s = now_s

    def tool_runs(self, now_s: float) -> None:
        """The reply is under way: it is due after this."""
        if self._asked_s is not None:
            self._asked_s = now_s

    def agent_speaks(self) -> None:
        self._asked_s, self._owes_reply, self._has_answered = None, False, True
        self._set_up()

    def check(self, now_s: float) -> None:
        """Call a few times a second once the talk has begun."""
        if self._heard_s is None:
            self._heard_s = now_s
        if self._asked_s is not None and now_s - self._asked_s >= REPLY_S:
            self._asked_s, self._owes_reply = None, True
            self._stall(now_s)
        if self._pinged_s is not None and now_s - self._pinged_s >= PING_ANSWER_S:
            self._pinged_s, self._heard_s = None, now_s
            self._stall(now_s)
        if self._pinged_s is None and now_s - self._heard_s >= QUIET_S:
            self._pinged_s = now_s
            self.ping()
        if self._down_s is not None and not self._is_told and now_s - self._down_s >= LATE_S:
            self._is_told = True
            self.on_late()

    def _stall(self, now_s: float) -> None:
        self._set_down(now_s)
        self.on_stalled()

    def _set_down(self, now_s: float) -> None:
        if self._down_s is None:
            self._down_s, self._is_told = now_s, False
            self.on_down()

    def _set_up(self) -> None:
        if self._down_s is not None:
            self._down_s = None
            self.on_up()
