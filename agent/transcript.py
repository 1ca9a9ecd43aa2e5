"""What was said, collected from the framework's events and reported in numbered pieces."""

import asyncio
from collections.abc import Awaitable, Callable

from livekit.agents import ConversationItemAddedEvent
from livekit.agents.llm import ChatMessage

from agent.charging_client import Refused, Unknown
from shared.call_protocol import (
    TRANSCRIPT_ITEMS_MAX,
    TRANSCRIPT_TEXT_MAX,
    TranscriptItem,
    TranscriptReport,
)
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

REPORT_EVERY_S = 10.0
INDEX_STRIDE = 10_000  # turns of one agent; who takes the call over numbers on from the next

Post = Callable[[TranscriptReport], Awaitable[None]]


class Transcript:
    """Items get their number when they are said; a report repeated changes nothing."""

    def __init__(self, *, epoch: int, clock: Clock, post: Post, first_index: int) -> None:
        self._epoch = epoch
        self._clock = clock
        self._post = post
        self._joined_s = clock.monotonic()
        self._next_index = first_index
        self._end_index = first_index + INDEX_STRIDE
        self._unsent: list[TranscriptItem] = []

    def add(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        # The first item of a session is a hand-over without a role.
        if not isinstance(item, ChatMessage) or item.role not in ("user", "assistant"):
            return
        text = (item.text_content or "").strip()
        if not text or self._next_index >= self._end_index:
            return
        self._unsent.append(
            TranscriptItem(
                index=self._next_index,
                role="user" if item.role == "user" else "assistant",
                text=text[:TRANSCRIPT_TEXT_MAX],
                at_s=round(max(self._clock.monotonic() - self._joined_s, 0.0), 2),
                interrupted=item.interrupted,
            )
        )
        self._next_index += 1

    async def report_regularly(self) -> None:
        """Serve until cancelled."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self.report()

    async def report(self) -> None:
        """Send what is new. Unanswered, it stays for the next time; refused, it is dropped."""
        while self._unsent:
            items = self._unsent[:TRANSCRIPT_ITEMS_MAX]
            try:
                await self._post(TranscriptReport(epoch=self._epoch, items=items))
            except (Unknown, TimeoutError):
                return
            except Refused as refusal:
                log.warning("transcript_refused", status=refusal.status, count=len(items))
            del self._unsent[: len(items)]
