"""
The outbox: notices leave as mails, each once as far as SMTP allows.

A mail is taken, and that is committed, before the first byte leaves; the outcome is committed after
it. What is unknown (a reply that was lost, a process that died) is sent again, under the same
Message-ID, by which the mailbox of the reader can tell. No two processes hold the same mail.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from control_plane.mail.facts import BadNotice
from control_plane.mail.letters import Occasion, compose, is_mailbox
from control_plane.mail.port import Carrier, Line, MailAway, MailRefused
from control_plane.store import mails
from control_plane.store.mails import TakenMail
from shared import metrics
from shared.db import Pool, Tx, transaction
from shared.log import get_logger

log = get_logger(__name__)

BATCH_MAX: Final = 20  # mails of one connection
LEASE_S: Final = 900.0  # 20 mails with a server that takes its full 20 s for each of two answers
ATTEMPTS_MAX: Final = 12
FIRST_PAUSE_S: Final = 60.0
PAUSE_S_MAX: Final = 6 * 3_600.0
AGE_S_MAX: Final = 3 * 24 * 3_600.0  # older news confuses more than it tells


@dataclass(frozen=True, slots=True)
class Outbox:
    pool: Pool
    carrier: Carrier
    mail_from: str
    first_pause_s: float = FIRST_PAUSE_S
    lease_s: float = LEASE_S

    async def round(self) -> int:
        """Send what is due; returns how many mails left."""
        async with transaction(self.pool) as tx:
            taken = await mails.take(tx, limit=BATCH_MAX, lease_s=self.lease_s)
        sendable = [mail for mail in taken if await self._is_sendable(mail)]
        if not sendable:
            return 0
        left = 0
        waiting = list(sendable)
        try:
            async with self.carrier.open() as line:
                while waiting:
                    left += await self._send(line, waiting[0])
                    waiting.pop(0)
        except MailAway as away:
            await self._wait(waiting, away)
        return left

    async def _is_sendable(self, mail: TakenMail) -> bool:
        """End what nobody can or should get."""
        reason = None
        if mail.age_s > AGE_S_MAX:
            reason = "too_old"
        elif mail.address is None:
            reason = "no_address"
        elif not is_mailbox(mail.address):
            reason = "bad_address"
        if reason:
            await self._settle(lambda tx: mails.end(tx, mail, state="skipped", error=reason))
            metrics.MAILS.labels(mail.kind, reason).inc()
        return reason is None

    async def _send(self, line: Line, mail: TakenMail) -> bool:
        """True when it left. Raises MailAway when the others need not be tried."""
        assert mail.address is not None, "checked above"
        occasion = Occasion(
            id=mail.id,
            kind=mail.kind,
            payload=mail.payload,
            created_at=mail.created_at,
            address=mail.address,
            language=mail.language,
        )
        try:
            await line.send(compose(occasion, mail_from=self.mail_from))
        except BadNotice:
            await self._fail(mail, "bad_notice")
        except MailRefused as refused:
            await self._fail(mail, refused.code)
        except MailAway as away:
            if away.is_all:
                raise
            await self._again(mail, away)
        else:
            await self._settle(lambda tx: mails.sent(tx, mail))
            metrics.MAILS.labels(mail.kind, "sent").inc()
            return True
        return False

    async def _wait(self, waiting: list[TakenMail], away: MailAway) -> None:
        """A mail that may have left has used an attempt; the others were not tried."""
        log.warning("mail_away", code=away.code, count=len(waiting))
        if away.is_unknown:
            await self._again(waiting.pop(0), away)
        async with transaction(self.pool) as tx:
            for mail in waiting:
                pause_s = self._pause_s(mail.attempts)
                await mails.put_back(tx, mail, error=away.code, in_s=pause_s)

    async def _again(self, mail: TakenMail, away: MailAway) -> None:
        if mail.attempts >= ATTEMPTS_MAX:
            await self._fail(mail, away.code)
            return
        pause_s = self._pause_s(mail.attempts)
        await self._settle(lambda tx: mails.again(tx, mail, error=away.code, in_s=pause_s))
        metrics.MAILS.labels(mail.kind, "unknown" if away.is_unknown else "again").inc()

    async def _fail(self, mail: TakenMail, code: str) -> None:
        log.warning("mail_failed", code=code, kind=mail.kind, attempt=mail.attempts)
        await self._settle(lambda tx: mails.end(tx, mail, state="failed", error=code))
        metrics.MAILS.labels(mail.kind, "failed").inc()

    def _pause_s(self, attempts: int) -> float:
        return min(self.first_pause_s * 2.0 ** (attempts - 1), PAUSE_S_MAX)

    async def _settle(self, work: Callable[[Tx], Awaitable[object]]) -> None:
        async with transaction(self.pool) as tx:
            await work(tx)
