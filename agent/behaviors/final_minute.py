"""
The last minute of a prepaid call: told twice, taken back when credit comes, ended with a goodbye.

Everything is shown on the page at once; it is also spoken, but never over the caller for long.
"""

from dataclasses import dataclass, field

from livekit.agents import AgentSession

from agent.behaviors.aside import Aside
from agent.meter import Cue
from agent.page import Page
from agent.phrases import phrases_for, spoken
from shared.call_protocol import Notice

QUIET_WAIT_S = 5.0  # how long a warning waits for a pause in the talk; then it is out of date


@dataclass(slots=True)
class FinalMinute:
    session: AgentSession[None]
    page: Page
    language: str
    has_begun: bool = False
    _aside: Aside = field(init=False)

    def __post_init__(self) -> None:
        self._aside = Aside(self.session)

    def take(self, cue: Cue, seconds_left: int, *, is_spoken: bool = True) -> None:
        """Act on one cue of the meter; unspoken it is only shown. Never waits."""
        phrases = phrases_for(self.language)
        self.has_begun = cue is not Cue.WITHDRAWN
        if cue in (Cue.WARN_FIRST, Cue.WARN_LAST):
            words = phrases.seconds_left.format(seconds=seconds_left)
            self.page.notify(Notice(kind="low_balance", message=words, seconds_left=seconds_left))
            self.page.toast(words, variant="warning")
            self._say_in_a_pause(words, is_spoken=is_spoken)
        elif cue is Cue.WITHDRAWN:
            words = phrases.credit_added
            self.session.input.set_audio_enabled(True)
            self.page.notify(Notice(kind="credit_added", message=words, seconds_left=seconds_left))
            self.page.toast(words, variant="success")
            self._say_in_a_pause(words, is_spoken=is_spoken)
        elif cue is Cue.GOODBYE:
            words = phrases.goodbye
            self.page.notify(Notice(kind="goodbye", message=words, seconds_left=seconds_left))
            # Words of the caller would cut it short, and there is no time for an answer.
            self.session.input.set_audio_enabled(False)
            if is_spoken:
                self._aside.at_once(spoken(words, self.language))

    def _say_in_a_pause(self, words: str, *, is_spoken: bool) -> None:
        if is_spoken:
            self._aside.in_a_pause(spoken(words, self.language), wait_s=QUIET_WAIT_S)
