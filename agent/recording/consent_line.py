"""
The way of a caller's decision to the control plane, which keeps it.

It is told a few times and then given up: without an answer nothing is recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agent.charging_client import AnswerT, ChargingClient, Refused, Unknown
from shared.call_protocol import Message
from shared.log import get_logger
from shared.recording_protocol import (
    ConsentReport,
    ConsentStanding,
    WithdrawConsent,
    Withdrawn,
)

log = get_logger(__name__)

TRIES_MAX: Final = 5
RETRY_S: Final = 1.0

Run = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """`run`: lets the loop that owns the client do it, and brings the answer back."""

    client: ChargingClient
    call_id: UUID
    run: Run

    async def may_record(self, report: ConsentReport) -> bool:
        """Whether the caller's yes is kept, and recording is still wanted."""
        standing = await self._tell("recording-consent", report, ConsentStanding)
        return standing is not None and standing.may_record

    async def withdraw(self, epoch: int) -> None:
        await self._tell("recording-withdrawal", WithdrawConsent(epoch=epoch), Withdrawn)

    async def _tell(self, what: str, body: Message, answer: type[AnswerT]) -> AnswerT | None:
        path = f"/calls/{self.call_id}/{what}"
        for attempt in range(TRIES_MAX):
            if attempt:
                await asyncio.sleep(RETRY_S)
            try:
                told: AnswerT = await self.run(self.client.ask(path, body, answer))
            except Refused as refusal:
                log.warning("consent_refused", call_id=str(self.call_id), status=refusal.status)
                return None
            except (Unknown, TimeoutError) as problem:
                log.warning(
                    "consent_untold", call_id=str(self.call_id), error=type(problem).__name__
                )
            else:
                return told
        return None
