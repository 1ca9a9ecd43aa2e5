"""What the agent does for the caller's good: help in a crisis, a break, another topic."""

from collections.abc import Callable

from livekit.agents import AgentSession, UserInputTranscribedEvent

from agent.behaviors.aside import Aside
from agent.behaviors.break_reminder import BreakReminder
from agent.behaviors.crisis import Crisis
from agent.behaviors.moderation import Moderator, SecondOpinion
from agent.page import Page
from agent.phrases import phrases_for, spoken
from shared.call_protocol import CallConfig, EventKind
from shared.clock import Clock


class Safety:
    """Listens to the caller by itself; `check` wants the billed seconds a few times a second."""

    def __init__(
        self,
        *,
        config: CallConfig,
        session: AgentSession[None],
        page: Page,
        clock: Clock,
        note: Callable[[EventKind], None],
        moderator: Moderator | None = None,
    ) -> None:
        self._language = config.language
        self._clock = clock
        self._aside = Aside(session)
        self._break = BreakReminder(
            every_s=config.break_reminder_s,
            already_s=config.seconds,
            language=config.language,
            page=page,
            aside=self._aside,
            on_event=lambda: note("break_reminder"),
        )
        self._crisis = Crisis(
            language=config.language,
            referral=config.referral,
            page=page,
            aside=self._aside,
            on_event=note,
        )
        self._opinion = moderator and SecondOpinion(
            moderator=moderator,
            clock=clock,
            on_flag=lambda: self._crisis.refer("crisis_by_model", clock.monotonic()),
            on_away=lambda: note("moderation_away"),
        )
        session.on("user_input_transcribed", self._on_heard)

    def check(self, seconds: int) -> None:
        self._break.check(seconds)

    def change_the_topic(self, before: Callable[[], None]) -> None:
        """Cut off what is being said; `before` is called when it was."""
        words = phrases_for(self._language).another_topic
        self._aside.at_once(spoken(words, self._language), before=before)

    def close(self) -> None:
        if self._opinion:
            self._opinion.close()

    def _on_heard(self, event: UserInputTranscribedEvent) -> None:
        if not event.is_final:
            return
        if self._crisis.is_heard_in(event.transcript):
            self._crisis.refer("crisis", self._clock.monotonic())
        elif self._opinion:
            self._opinion.ask(event.transcript)
