"""Suggests a break after a time that the operator sets, and again each time as long."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.behaviors.aside import Aside
from agent.page import Page
from agent.phrases import phrases_for, spoken
from shared.call_protocol import Notice


@dataclass(slots=True)
class BreakReminder:
    """Fed with billed seconds; owns no clock. `every_s` None: never."""

    every_s: int | None
    already_s: int  # talked before this agent had the call
    language: str
    page: Page
    aside: Aside
    on_event: Callable[[], None]
    _due_s: int = field(init=False)

    def __post_init__(self) -> None:
        every_s = self.every_s or 0
        self._due_s = every_s * (self.already_s // every_s + 1) if every_s else 0

    def check(self, seconds: int) -> None:
        if self.every_s is None or seconds < self._due_s:
            return
        self._due_s += self.every_s
        words = phrases_for(self.language).take_a_break
        self.page.notify(Notice(kind="break_reminder", message=words))
        self.aside.in_a_pause(spoken(words, self.language))
        self.on_event()
