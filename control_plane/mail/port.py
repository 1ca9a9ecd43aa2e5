"""How letters leave. Its users know what became of each: gone, never, or ask again."""

from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from typing import Protocol


class MailRefused(Exception):
    """Nobody will take this letter, ever. `code` is ours, never the server's words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class MailAway(Exception):
    """
    It did not work now. `is_unknown`: the letter may have left all the same. `is_all`: it concerns
    the server, not this letter, so that others need not be tried.
    """

    def __init__(self, code: str, *, is_unknown: bool = False, is_all: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_unknown = is_unknown
        self.is_all = is_all


class Line(Protocol):
    """An open way out."""

    async def send(self, letter: EmailMessage) -> None:
        """Returns when somebody else is responsible for it. Raises MailRefused or MailAway."""
        ...


class Carrier(Protocol):
    def open(self) -> AbstractAsyncContextManager[Line]:
        """Raises MailAway when nobody is there."""
        ...
