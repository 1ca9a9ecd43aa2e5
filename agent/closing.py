"""
Delivers the end of calls, each until it is answered.

Used for the calls of our own group and for those that a dead group left in its journal: the same
records, the same code.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from agent.charging_client import ChargingClient, Refused, Unknown
from agent.journal import Answer, Journal, SlotState, Watermark
from shared.call_protocol import CloseAnswer, CloseCall
from shared.end_reasons import ENDINGS, REASON_BY_JOURNAL_CODE, EndReason
from shared.log import get_logger

log = get_logger(__name__)

CONCURRENT_CLOSES_MAX = 8
RETRY_FIRST_S = 0.25  # the caller waits for the receipt
RETRY_MAX_S = 5.0


class Ownership(Enum):
    """Whether the process that wrote a slot still lives."""

    ALIVE = auto()
    DEAD = auto()


class Closer:
    """Closes what has ended in one journal. `sweep` often; it starts what is not under way."""

    def __init__(self, journal: Journal, client: ChargingClient) -> None:
        self._journal = journal
        self._client = client
        self._under_way: set[int] = set()
        self._gate = asyncio.Semaphore(CONCURRENT_CLOSES_MAX)

    def sweep(
        self, tasks: asyncio.TaskGroup, ownership: Callable[[int, Watermark], Ownership]
    ) -> None:
        for slot in self._journal.slots:
            mark = self._journal.watermark(slot)
            if mark and slot not in self._under_way and is_over(mark, ownership(slot, mark)):
                answer = self._journal.answer_to(mark, slot)
                if not (answer and answer.closed):
                    self._under_way.add(slot)
                    tasks.create_task(self._deliver(slot, mark))

    async def _deliver(self, slot: int, mark: Watermark) -> None:
        request = close_request(self._journal.worker_id, mark)
        delay_s = RETRY_FIRST_S
        try:
            while True:
                try:
                    async with self._gate:
                        outcome = await self._client.close(mark.call_id, request)
                    break
                except Unknown as problem:
                    log.warning("close_unanswered", call_id=str(mark.call_id), error=str(problem))
                except Refused as refusal:
                    log.warning("close_refused", call_id=str(mark.call_id), status=refusal.status)
                    outcome = None
                    break
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
            self._write_closed(slot, mark, outcome)
        finally:
            self._under_way.discard(slot)

    def _write_closed(self, slot: int, mark: Watermark, outcome: CloseAnswer | None) -> None:
        """A refused close is over too: the call is another's, and the reaper knows it."""
        before = self._journal.answer_to(mark, slot)
        seconds = outcome.seconds if outcome else mark.seconds
        self._journal.write_answer(
            slot,
            Answer(
                call_id=mark.call_id,
                epoch=mark.epoch,
                granted_seconds=before.granted_seconds if before else seconds,
                settled_seconds=seconds,
                final_unit=True,
                fenced=outcome is None,
                closed=True,
                end_code=_journal_code(outcome.end_reason) if outcome else 0,
            ),
        )
        if outcome:
            log.info(
                "call_closed",
                call_id=str(mark.call_id),
                seconds=outcome.seconds,
                end_reason=outcome.end_reason,
            )


def is_over(mark: Watermark, ownership: Ownership) -> bool:
    if mark.state is SlotState.ENDED:
        return True
    return ownership is Ownership.DEAD and mark.state in (SlotState.WAITING, SlotState.LIVE)


def close_request(worker_id: str, mark: Watermark) -> CloseCall:
    """What the slot says of its end; a slot that never said so lost its agent."""
    if mark.state is SlotState.ENDED:
        reason = REASON_BY_JOURNAL_CODE.get(mark.reason_code, EndReason.AGENT_ERROR)
    else:
        reason = EndReason.AGENT_LOST
    return CloseCall(
        worker_id=worker_id,
        epoch=mark.epoch,
        seconds=mark.seconds,
        reason=reason,
        source="agent" if mark.state is SlotState.ENDED else "journal",
    )


def _journal_code(end_reason: str) -> int:
    try:
        return ENDINGS[EndReason(end_reason)].journal_code
    except ValueError:  # a reason newer than this worker
        return 0
