"""Whether all that the models of a call were asked is answered in time. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reach:
    """
    Questions are any hashable marks.

    `on_lost`: one is not answered. `on_answered`: nothing waits in vain any more. `on_refused`: a
    model will not speak with us in this call any more; with its provider's code.
    """

    on_lost: Callable[[], None] = lambda: None
    on_answered: Callable[[], None] = lambda: None
    on_refused: Callable[[str], None] = lambda _code: None
    gives_up: bool = False  # somebody else is there, so a few failures are enough
    _asked: set[object] = field(default_factory=set)
    _troubled: set[object] = field(default_factory=set)

    @property
    def is_asking(self) -> bool:
        return bool(self._asked)

    @property
    def is_troubled(self) -> bool:
        return bool(self._troubled)

    def ask(self, question: object) -> None:
        self._asked.add(question)

    def trouble(self, question: object) -> None:
        """No answer comes at the moment."""
        is_first = not self._troubled
        if question in self._asked:
            self._troubled.add(question)
            if is_first:
                self.on_lost()

    def calm(self, question: object) -> None:
        """A piece of the answer came."""
        self._troubled.discard(question)
        if not self._troubled:
            self.on_answered()

    def end(self, question: object) -> None:
        """The answer is complete, or nobody waits for it any more."""
        self._asked.discard(question)
        if question in self._troubled:
            self.calm(question)
