"""
Lists on a keypad: seven at a time, 8 for more, 9 once more, 0 back.

Pure: what to say for a page, and what a key means on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.phone.speaker import Line
from agent.phone.texts import words_for

PAGE = 7
MORE, AGAIN, BACK = "8", "9", "0"


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry; `{key}` in its words is its key on the page."""

    words: str
    language: str


@dataclass(slots=True)
class Pages:
    """`chosen` is an index once it was; `is_over` also when the caller went back."""

    entries: Sequence[Listed]
    language: str  # of the caller
    chosen: int | None = None
    is_over: bool = False
    _start: int = 0

    def lines(self) -> list[Line]:
        """The page, with the keys of this moment."""
        words = words_for(self.language)
        spoken = [
            Line(entry.words.replace("{key}", str(key)), entry.language)
            for key, entry in enumerate(self._page, 1)
        ]
        if len(self.entries) > PAGE:
            spoken.append(Line(words.more, self.language))
        return [*spoken, Line(words.back, self.language)]

    def press(self, key: str | None) -> None:
        """None: nothing was pressed. A key that means nothing here has the page said again."""
        if key is None or key == BACK:
            self.is_over = True
        elif key == MORE:
            self._start += PAGE
            if self._start >= len(self.entries):
                self._start = 0
        elif key.isdigit() and 1 <= int(key) <= len(self._page):
            self.chosen = self._start + int(key) - 1
            self.is_over = True

    @property
    def _page(self) -> Sequence[Listed]:
        return self.entries[self._start : self._start + PAGE]
