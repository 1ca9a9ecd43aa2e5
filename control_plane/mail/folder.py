"""Letters as files, where there is no mail server: one .eml each, however often it is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from control_plane.mail.port import Line, MailAway


@dataclass(frozen=True, slots=True)
class FolderCarrier:
    folder: Path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        yield self

    async def send(self, letter: EmailMessage) -> None:
        """Named by its Message-ID, so that the same letter is the same file."""
        try:
            await asyncio.to_thread(self._write, letter)
        except OSError as error:
            raise MailAway("folder", is_all=True) from error

    def _write(self, letter: EmailMessage) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = letter["Message-ID"].strip("<>").partition("@")[0]
        part = self.folder / f".{name}.part"
        part.write_bytes(letter.as_bytes(policy=SMTP))
        part.replace(self.folder / f"{name}.eml")
