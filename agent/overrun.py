"""When a call that nobody ends must end all the same, because nothing will become of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.behaviors.silence import Silence
from agent.billing_clock import BillingClock
from agent.conversation import Conversation
from agent.gaps import GapKind
from agent.presence import Presence
from shared.call_protocol import CallConfig
from shared.clock import Clock
from shared.end_reasons import EndReason

GREETING_MAX_S = 20.0  # a model that says nothing for so long will not; the caller paid nothing yet
OPENING_MAX_S = 60.0  # the sentence before it: read out in 20 s, perhaps twice, and a question

_TOO_LONG = {
    GapKind.CALLER_AWAY: EndReason.CALLER_LOST,
    GapKind.MEDIA_STOPPED: EndReason.CALLER_LOST,
    GapKind.ROOM_LOST: EndReason.MEDIA_LOST,
    GapKind.PROVIDER_DOWN: EndReason.PROVIDER_ERROR,
}


@dataclass(slots=True)
class Overrun:
    """
    Of one call. `is_heard()`: a caller is there who hears us. `is_deciding()`: that caller is asked
    something, a bounded wait of its own. `provider_limit_s`: how long the voice model may be away.
    """

    config: CallConfig
    clock: Clock
    billing: BillingClock
    conversation: Conversation
    presence: Presence
    provider_limit_s: float
    is_heard: Callable[[], bool]
    is_deciding: Callable[[], bool]
    _silence: Silence = field(init=False)
    _waiting_since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._silence = Silence(self.config.silence_limit_s)
        self.wait_anew()

    def wait_anew(self) -> None:
        """The next step of a call that has not begun is waited for from now on."""
        self._waiting_since_s = self.clock.monotonic()

    def before_the_talk(self, now_s: float) -> EndReason | None:
        """Call a few times a second, as `in_the_talk`."""
        if self.is_deciding() and self.presence.is_here:
            self._waiting_since_s = now_s
        waited_s = now_s - self._waiting_since_s
        if not self.is_heard():
            too_long = waited_s >= self.config.join_limit_s
            return EndReason.CALLER_NEVER_JOINED if too_long else None
        if not self.conversation.is_open:
            return EndReason.PROVIDER_ERROR if waited_s >= OPENING_MAX_S else None
        if self.config.greeting:
            return EndReason.PROVIDER_ERROR if waited_s >= GREETING_MAX_S else None
        return EndReason.CALLER_SILENT if waited_s >= self.config.silence_limit_s else None

    def in_the_talk(self, now_s: float) -> EndReason | None:
        gap = self.billing.gaps.too_long(
            now_s, line_s=self.config.rejoin_limit_s, provider_s=self.provider_limit_s
        )
        if gap:
            return _TOO_LONG[gap]
        is_busy = bool(self.billing.gaps) or self.conversation.someone_speaks
        if self._silence.is_too_long(someone_speaks=is_busy, now_s=now_s):
            return EndReason.CALLER_SILENT
        return None
