"""What shall be made of a call that is over: upstream's conditions, and what its caller allows."""

from dataclasses import dataclass
from typing import Final

from control_plane.after_calls.settings import AfterCallSettings
from control_plane.store.after_calls import EndedCall
from shared.end_reasons import ENDINGS, EndReason, FaultOwner

ANALYSED_SECONDS_MIN: Final = 120  # upstream's


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one question to the chat model shall answer."""

    headline: bool = False
    memories: bool = False
    analysis: bool = False

    def __bool__(self) -> bool:
        return self.headline or self.memories or self.analysis


def wishes_for(call: EndedCall, settings: AfterCallSettings) -> Wishes:
    """Nothing for a call that never was; nothing that its caller does not want kept."""
    if call.state != "closed" or call.seconds == 0:
        return Wishes()
    keeps_texts = (call.retention or settings.call_retention) != "none"
    return Wishes(
        headline=keeps_texts,
        memories=call.memory_mode == "lasting",
        analysis=settings.call_analysis
        and keeps_texts
        and is_completed(call.end_reason)
        and call.seconds >= ANALYSED_SECONDS_MIN,
    )


def is_completed(end_reason: str | None) -> bool:
    """Upstream's status `completed`: the call went as its caller wanted."""
    return end_reason is not None and ENDINGS[EndReason(end_reason)].owner is FaultOwner.CALLER
