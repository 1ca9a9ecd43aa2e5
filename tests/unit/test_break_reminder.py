"""When a break is suggested."""

from dataclasses import dataclass, field
from typing import cast

from agent.behaviors.aside import Aside
from agent.behaviors.break_reminder import BreakReminder
from agent.page import Page
from shared.call_protocol import Notice


@dataclass
class PageToRead:
    shown: list[Notice] = field(default_factory=list)

    def notify(self, notice: Notice) -> None:
        self.shown.append(notice)


@dataclass
class AsideToRead:
    said: list[str] = field(default_factory=list)

    def in_a_pause(self, order: str) -> None:
        self.said.append(order)

    def at_once(self, order: str) -> None:
        self.said.append(order)


@dataclass
class Reminded:
    """What a caller of one call notices."""

    every_s: int | None
    already_s: int = 0
    language: str = "de"
    page: PageToRead = field(default_factory=PageToRead)
    aside: AsideToRead = field(default_factory=AsideToRead)
    events: list[int] = field(default_factory=list)

    def talk(self, seconds: range) -> list[int]:
        """The billed seconds at which a break was suggested."""
        at: list[int] = []
        behavior = BreakReminder(
            every_s=self.every_s,
            already_s=self.already_s,
            language=self.language,
            page=cast("Page", self.page),
            aside=cast("Aside", self.aside),
            on_event=lambda: self.events.append(1),
        )
        for second in seconds:
            before = len(self.events)
            behavior.check(second)
            behavior.check(second)
            if len(self.events) > before:
                at.append(second)
        return at


def test_a_break_is_suggested_after_the_operators_time_and_again_after_as_long() -> None:
    reminded = Reminded(every_s=60)
    assert reminded.talk(range(200)) == [60, 120, 180]
    assert reminded.page.shown[0].kind == "break_reminder"
    assert "Pause" in reminded.page.shown[0].message
    for order, notice in zip(reminded.aside.said, reminded.page.shown, strict=True):
        assert f'"{notice.message}"' in order


def test_an_agent_that_takes_a_call_over_goes_on_counting() -> None:
    assert Reminded(every_s=60, already_s=70).talk(range(70, 200)) == [120, 180]


def test_without_a_time_nobody_is_reminded() -> None:
    assert Reminded(every_s=None).talk(range(100_000)) == []


def test_a_language_without_words_of_ours_is_translated_and_not_read_out_in_english() -> None:
    reminded = Reminded(every_s=60, language="fi")
    reminded.talk(range(100))
    assert "Say exactly these words" not in reminded.aside.said[0]
    assert '"fi"' in reminded.aside.said[0]
