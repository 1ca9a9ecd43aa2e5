"""Who is told where help is, and how often."""

from dataclasses import dataclass, field
from typing import cast

from agent.behaviors.aside import Aside
from agent.behaviors.crisis import AGAIN_AFTER_S, Crisis
from agent.page import Page
from tests.unit.test_break_reminder import AsideToRead, PageToRead

HELP = "Bitte ruf jetzt an: 142."


@dataclass
class Noticed:
    """One call, and what became of it."""

    referral: str | None = HELP
    page: PageToRead = field(default_factory=PageToRead)
    aside: AsideToRead = field(default_factory=AsideToRead)
    events: list[str] = field(default_factory=list)

    def crisis(self) -> Crisis:
        return Crisis(
            language="de",
            referral=self.referral,
            page=cast("Page", self.page),
            aside=cast("Aside", self.aside),
            on_event=self.events.append,
        )


def test_help_is_said_shown_and_counted_by_who_noticed() -> None:
    noticed = Noticed()
    noticed.crisis().refer("crisis_by_model", 10.0)
    assert [(one.kind, one.message) for one in noticed.page.shown] == [("crisis", HELP)]
    assert noticed.aside.said == [
        f'Say in German: "{HELP}" Say exactly these words and nothing else.'
    ]
    assert noticed.events == ["crisis_by_model"]


def test_said_once_it_is_not_repeated_at_each_sentence_whoever_notices() -> None:
    noticed = Noticed()
    crisis = noticed.crisis()
    for second in (0.0, 1.0, AGAIN_AFTER_S - 1):
        crisis.refer("crisis", second)
        crisis.refer("crisis_by_model", second)
    assert noticed.events == ["crisis"]
    crisis.refer("crisis_by_model", AGAIN_AFTER_S)
    assert noticed.events == ["crisis", "crisis_by_model"]


def test_without_a_referral_nothing_is_said_and_nothing_counted() -> None:
    noticed = Noticed(referral=None)
    crisis = noticed.crisis()
    assert not crisis.is_heard_in("Ich will sterben")
    crisis.refer("crisis_by_model", 0.0)
    assert (noticed.events, noticed.aside.said) == ([], [])
