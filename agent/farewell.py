"""After the last second: wait a moment for the settlement and tell the caller how it ended."""

import asyncio

from agent.journal import Answer
from agent.page import Page
from agent.slots import Slot
from shared.call_protocol import MeterMessage, Notice
from shared.clock import Clock
from shared.end_reasons import ENDINGS, REASON_BY_JOURNAL_CODE, EndReason, FaultOwner

SETTLEMENT_WAIT_S = 3.0  # how long the caller may wait for it; it comes anyway
SETTLEMENT_POLL_S = 0.02

# Codes that upstream's page has words of its own for, and a cap that it must show in ours.
_PAGE_CODES = {
    EndReason.CREDIT_EXHAUSTED: "insufficient_credits",
    EndReason.SUPERSEDED: "active_call",
    EndReason.MONTHLY_CAP: "monthly_cap",
}


async def settlement(slot: Slot, clock: Clock) -> Answer | None:
    """The control plane's last word on the call, or None when it takes too long."""
    until_s = clock.monotonic() + SETTLEMENT_WAIT_S
    while clock.monotonic() < until_s:
        answer = slot.answer()
        if answer and answer.closed:
            return answer
        await asyncio.sleep(SETTLEMENT_POLL_S)
    return None


def true_reason(reason: EndReason, answer: Answer | None) -> EndReason:
    """Ours, unless somebody else had closed the call before us."""
    if answer is None:
        return reason
    return REASON_BY_JOURNAL_CODE.get(answer.end_code, reason)


def tell_the_end(page: Page, reason: EndReason, last: MeterMessage) -> None:
    """Words for every ending; an error where the page should show one and leave."""
    ending = ENDINGS[reason]
    page.show_meter(last)
    page.notify(Notice(kind="ended", message=ending.words))
    if reason in _PAGE_CODES or ending.owner is not FaultOwner.CALLER:
        page.error(_PAGE_CODES.get(reason, reason.value), ending.words)
