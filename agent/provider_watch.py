"""
Does the voice model still answer? A caller does not pay for talking to nobody.

A pure state machine: told what happens and what time it is, it says when the provider counts as
down and when it is back. Down is: the connection was lost, a question of ours stays unanswered, or
the caller was heard and gets no reply.
"""

from collections.abc import Callable
from dataclasses import dataclass

QUIET_S = 8.0  # without any event from the provider we ask for one
PING_ANSWER_S = 5.0
REPLY_S = 10.0  # a model that heard the caller and says nothing for so long will not


@dataclass(slots=True)
class ProviderWatch:
    """`ping` sends something the provider must answer with any event."""

    on_down: Callable[[], None]
    on_up: Callable[[], None]
    ping: Callable[[], None]
    _heard_s: float | None = None
    _pinged_s: float | None = None
    _asked_s: float | None = None
    _is_down: bool = False
    _owes_reply: bool = False

    def event(self, now_s: float) -> None:
        """Anything came from the provider."""
        self._heard_s, self._pinged_s = now_s, None
        if self._is_down and not self._owes_reply:
            self._set_up()

    def lost(self) -> None:
        """The connection broke; the framework dials again."""
        self._pinged_s = None
        self._set_down()

    def caller_speaks(self) -> None:
        self._asked_s = None

    def caller_was_heard(self, now_s: float) -> None:
        """The caller said something, and the reply is due."""
        self._asked_s = now_s

    def agent_speaks(self) -> None:
        self._asked_s, self._owes_reply = None, False
        self._set_up()

    def check(self, now_s: float) -> None:
        """Call a few times a second once the talk has begun."""
        if self._heard_s is None:
            self._heard_s = now_s
        if self._asked_s is not None and now_s - self._asked_s >= REPLY_S:
            self._asked_s, self._owes_reply = None, True
            self._set_down()
        if self._pinged_s is not None and now_s - self._pinged_s >= PING_ANSWER_S:
            self._pinged_s, self._heard_s = None, now_s
            self._set_down()
        if self._pinged_s is None and now_s - self._heard_s >= QUIET_S:
            self._pinged_s = now_s
            self.ping()

    def _set_down(self) -> None:
        if not self._is_down:
            self._is_down = True
            self.on_down()

    def _set_up(self) -> None:
        if self._is_down:
            self._is_down = False
            self.on_up()
