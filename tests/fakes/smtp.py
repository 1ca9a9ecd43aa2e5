"""
A mail server that speaks SMTP on a loopback port and fails on command.

    async with smtp_server() as server:
        server.fail("rcpt", "550 5.1.1 nobody")     the next RCPT is answered so
        server.fail("accepted", LOSE)               takes the mail, and hangs up before saying so
        server.fail("connect", STALL)               says nothing
"""

import asyncio
import base64
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

LOSE = "lose"
STALL = "stall"


@dataclass(frozen=True, slots=True)
class Received:
    sender: str
    recipients: list[str]
    data: bytes
    is_encrypted: bool
    user: str | None

    @property
    def letter(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)


class HangUp(Exception):
    pass


@dataclass(slots=True)
class SmtpServer:
    port: int = 0
    tls: ssl.SSLContext | None = None
    offers_starttls: bool = True
    password: str | None = None
    received: list[Received] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # that came in clear
    connections: int = 0
    _faults: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))

    def fail(self, moment: str, how: str, *, times: int = 1) -> None:
        """At connect, ehlo, starttls, auth, mail, rcpt, data, accepted."""
        self._faults[moment].extend([how] * times)

    def next_fault(self, moment: str) -> str | None:
        waiting = self._faults[moment]
        return waiting.popleft() if waiting else None


@dataclass(slots=True)
class _Session:
    server: SmtpServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_encrypted: bool = False
    user: str | None = None
    sender: str = ""
    recipients: list[str] = field(default_factory=list)

    async def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def hear(self) -> str:
        line = await self.reader.readline()
        if not line:
            raise HangUp
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if not self.is_encrypted:
            self.server.lines.append(text)
        return text

    async def answer(self, moment: str, usual: str) -> bool:
        """Say `usual`, or what was planned. True when all is well."""
        fault = self.server.next_fault(moment)
        if fault == LOSE:
            raise HangUp
        if fault == STALL:
            await asyncio.Event().wait()
        await self.say(fault or usual)
        return fault is None

    async def run(self) -> None:
        await self.answer("connect", "220 mail.test ready")
        while True:
            word, _, rest = (await self.hear()).partition(" ")
            handler = getattr(self, f"on_{word.lower()}", None)
            if handler is None:
                await self.say("502 what?")
            else:
                await handler(rest)

    async def on_ehlo(self, _rest: str) -> None:
        offers = ["mail.test", "8BITMIME"]
        if self.server.tls and self.server.offers_starttls and not self.is_encrypted:
            offers.append("STARTTLS")
        if self.server.password:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            await self.say(f"250-{offer}")
        await self.answer("ehlo", f"250 {offers[-1]}")

    async def on_starttls(self, _rest: str) -> None:
        assert self.server.tls is not None
        if await self.answer("starttls", "220 go ahead"):
            await self.writer.start_tls(self.server.tls)
            self.is_encrypted = True

    async def on_auth(self, rest: str) -> None:
        _method, _, first = rest.partition(" ")
        user, password = base64.b64decode(first).split(b"\0")[1:]
        is_right = password.decode() == self.server.password
        if await self.answer("auth", "235 welcome" if is_right else "535 wrong") and is_right:
            self.user = user.decode()

    async def on_mail(self, rest: str) -> None:
        if await self.answer("mail", "250 ok"):
            self.sender, self.recipients = rest.partition("<")[2].partition(">")[0], []

    async def on_rcpt(self, rest: str) -> None:
        if await self.answer("rcpt", "250 ok"):
            self.recipients.append(rest.partition("<")[2].partition(">")[0])

    async def on_data(self, _rest: str) -> None:
        if not await self.answer("data", "354 go on"):
            return
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise HangUp
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        fault = self.server.next_fault("accepted")
        if fault is None or fault in {LOSE, STALL}:
            self.server.received.append(
                Received(
                    self.sender, self.recipients, b"".join(lines), self.is_encrypted, self.user
                )
            )
        if fault == LOSE:
            raise HangUp
        if fault == STALL:
            await asyncio.Event().wait()
        await self.say(fault or "250 queued")

    async def on_rset(self, _rest: str) -> None:
        await self.say("250 ok")

    async def on_quit(self, _rest: str) -> None:
        await self.say("221 bye")
        raise HangUp


@asynccontextmanager
async def smtp_server(
    *,
    tls: ssl.SSLContext | None = None,
    tls_at_once: bool = False,
    offers_starttls: bool = True,
    password: str | None = None,
) -> AsyncIterator[SmtpServer]:
    """A server on a free port of 127.0.0.1."""
    server = SmtpServer(tls=tls, offers_starttls=offers_starttls, password=password)
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        session = _Session(server, reader, writer, is_encrypted=tls_at_once)
        try:
            await session.run()
        except (HangUp, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        sessions.add(task)
        task.add_done_callback(sessions.discard)

    listening = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls if tls_at_once else None)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(sessions):
            task.cancel()
        for task in list(sessions):
            with suppress(asyncio.CancelledError):
                await task
