"""
What was said and when the line stood still, reported in numbered pieces.

A piece repeated changes nothing, so what was not answered is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable

from livekit.agents import ConversationItemAddedEvent
from livekit.agents.llm import ChatMessage

from agent.charging_client import Refused, Unknown
from agent.gaps import GAPS_MAX, Gaps
from shared.call_protocol import (
    TRANSCRIPT_ITEMS_MAX,
    TRANSCRIPT_TEXT_MAX,
    CallEvent,
    EventKind,
    Gap,
    TranscriptItem,
    TranscriptReport,
)
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

REPORT_EVERY_S = 10.0
EVENTS_MAX = 100  # of one agent
INDEX_STRIDE = 10_000  # turns of one agent; who takes the call over numbers on from the next

Post = Callable[[TranscriptReport], Awaitable[None]]


class Transcript:
    """Items get their number when they are said, gaps when they begin."""

    def __init__(
        self,
        *,
        epoch: int,
        clock: Clock,
        post: Post,
        gaps: Gaps,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`redact` takes out of the agent's words what must not be kept."""
        self._epoch = epoch
        self._clock = clock
        self._post = post
        self._gaps = gaps
        self._gaps_done = 0  # how many were reported with their final length
        self._joined_s = clock.monotonic()
        self._next_index = (epoch - 1) * INDEX_STRIDE
        self._end_index = epoch * INDEX_STRIDE
        self._unsent: list[TranscriptItem] = []
        self._redact = redact
        self._next_event = (epoch - 1) * EVENTS_MAX
        self._end_event = epoch * EVENTS_MAX
        self._unsent_events: list[CallEvent] = []

    def add(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        # The first item of a session is a hand-over without a role.
        if not isinstance(item, ChatMessage) or item.role not in ("user", "assistant"):
            return
        text = (item.text_content or "").strip()
        if item.role == "assistant":
            text = self._redact(text)
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

    def note(self, kind: EventKind) -> None:
        """Something happened besides the talk."""
        if self._next_event >= self._end_event:
            return
        at_s = round(max(self._clock.monotonic() - self._joined_s, 0.0), 2)
        self._unsent_events.append(CallEvent(index=self._next_event, kind=kind, at_s=at_s))
        self._next_event += 1

    async def report_regularly(self) -> None:
        """Serve until cancelled."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self.report()

    async def report(self) -> None:
        """Send what is new. Unanswered, it stays for the next time; refused, it is dropped."""
        gaps = self._new_gaps()
        done = sum(gap.ended_s is not None for gap in self._gaps.standstills)
        while self._unsent or gaps or self._unsent_events:
            items = self._unsent[:TRANSCRIPT_ITEMS_MAX]
            events = self._unsent_events[:TRANSCRIPT_ITEMS_MAX]
            try:
                await self._post(
                    TranscriptReport(epoch=self._epoch, items=items, gaps=gaps, events=events)
                )
            except (Unknown, TimeoutError):
                return
            except Refused as refusal:
                log.warning("transcript_refused", status=refusal.status, count=len(items))
            del self._unsent[: len(items)]
            del self._unsent_events[: len(events)]
            gaps, self._gaps_done = [], done

    def _new_gaps(self) -> list[Gap]:
        first_index = (self._epoch - 1) * GAPS_MAX
        now_s = self._clock.monotonic()
        return [
            gap.report(first_index + number, now_s)
            for number, gap in enumerate(self._gaps.standstills)
            if number >= self._gaps_done
        ]
