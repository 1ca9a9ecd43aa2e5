"""
One long call over a voice provider that drops its connection again and again.

Judged by the caller: every question answered to its last word, no gap billed, no word missing in
the transcript.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx2

from billing import ledger
from billing.money import MicroCredits, from_credits
from local.call_plan import CallPlan, Line
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.ledger_check import check_ledger
from local.stack import Stack
from local.voice.persona import FALLBACK, topic_of
from shared.ids import new_uuid

LINES = (
    "tell me a story",
    "how does the billing work",
    "can you hear me",
    "tell me about yourself",
    "tell me a joke",
)
CREDIT = 1_000_000.0  # an account without it is one for five minutes
BEGUN_S = 2.0  # the second that was begun, and the way of the hang-up


@dataclass(slots=True)
class DropReport:
    """All durations in seconds; `broken` is empty when everything held."""

    talked_s: float
    billed_s: int
    free_s: float
    longest_gap_s: float
    drops: int
    questions: int
    answered: int
    misheard: int  # the ear of the local voice understands 19 of 20 sentences, drops or not
    broken: list[str] = field(default_factory=list)


async def run(
    stack: Stack, *, every_s: float, seconds: float, log: Callable[[str], None]
) -> DropReport:
    """Talk for `seconds`; needs the local voice."""
    caller = SimulatedCaller(stack.control_plane_url)
    await caller.api.sign_in(caller.email)
    await _pay(stack, UUID(caller.api.user_id))
    plan = CallPlan(lines=tuple(Line.of(words) for words in LINES), seconds=seconds)
    try:
        async with _dropping(stack, every_s):
            log(f"a call of {seconds:.0f} s, dropped every {every_s:.0f} s")
            result = await caller.place(plan)
        assert result.call_id, result
        body = (await caller.api.call(result.call_id)).body
        check = await check_ledger(stack.database_url, result.call_id)
    finally:
        await caller.close()
    report = judge(result, body, billed_s=check.seconds)
    report.broken += check.faults
    return report


def judge(result: CallResult, record: dict[str, Any], *, billed_s: int) -> DropReport:
    """What the caller lived through against what was kept and billed."""
    lasted_s = [gap["lasted"] for gap in record["gaps"]]
    said = [line["text"] for line in record["transcript"] if line["role"] == "user"]
    report = DropReport(
        talked_s=result.talked_s,
        billed_s=billed_s,
        free_s=sum(lasted_s),
        longest_gap_s=max(lasted_s, default=0.0),
        drops=len(lasted_s),
        questions=len(result.turns),
        answered=sum(turn.latency_s is not None for turn in result.turns),
        misheard=sum(a != b.said for a, b in zip(said, result.turns, strict=False)),
    )
    if len(said) != report.questions:
        report.broken.append(f"{len(said)} questions in the transcript")
    report.broken += [f"no answer to {t.said}" for t in result.turns if t.latency_s is None]
    report.broken += _cut_short(record["transcript"])
    owed_s = result.talked_s - report.free_s
    if not owed_s - BEGUN_S <= billed_s <= owed_s + 1:
        report.broken.append(f"billed {billed_s} s of {owed_s:.1f} s without the gaps")
    if result.end_reason != "caller_hangup":
        report.broken.append(f"ended by {result.end_reason}")
    return report


def _cut_short(transcript: list[dict[str, Any]]) -> list[str]:
    """Answers without their end. The last may be cut by the hang-up."""
    answers = " ".join(line["text"] for line in transcript if line["role"] == "assistant")
    said = [line["text"] for line in transcript if line["role"] == "user"]
    broken = []
    for words in said[:-1]:
        topic = topic_of(words)
        _, found, rest = answers.partition(topic.answer if topic else FALLBACK)
        answers = rest if found else answers
        broken += [] if found else [f"not answered to its end: {words}"]
    return broken


async def _pay(stack: Stack, user_id: UUID) -> None:
    connection = await asyncpg.connect(stack.database_url, timeout=5)
    try:
        async with connection.transaction():
            await ledger.post(
                connection,
                user_id=user_id,
                amount=MicroCredits(round(CREDIT * from_credits(1))),
                kind="topup",
                source="chaos",
                source_id=str(new_uuid()),
            )
    finally:
        await connection.close()


@asynccontextmanager
async def _dropping(stack: Stack, every_s: float) -> AsyncIterator[None]:
    url = stack.env["OPENAI_BASE_URL"].removesuffix("/v1")
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        (await client.post(f"{url}/faults", json={"drop_after_s": every_s})).raise_for_status()
        yield
        (await client.delete(f"{url}/faults")).raise_for_status()
