"""A call as its owner sees it."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from billing.money import to_credits
from control_plane.store.after_calls import Headline
from control_plane.store.call_history import PastCall
from shared.end_reasons import ENDINGS, EndReason, FaultOwner


class CallView(BaseModel):
    """Times are ISO 8601 in UTC; `duration_seconds` is wall time, `billed_seconds` what is paid."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    id: UUID
    status: str
    end_reason: str | None
    ended_by: str | None
    end_words: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int
    billed_seconds: int
    credits_used: int | float
    credits_per_minute: int | float
    model: str
    voice: str
    language: str
    free_call: bool
    title: str | None = None
    highlights: list[str] = []


class Line(BaseModel):
    """One spoken turn, `at` seconds after the agent joined."""

    role: str
    text: str
    at: float
    interrupted: bool


class Pause(BaseModel):
    """Unpaid time: the clock stood at billed second `at` for `lasted` seconds."""

    at: int
    lasted: float
    cause: str


def view_of(call: PastCall, headline: Headline | None = None) -> CallView:
    """The row in upstream's words."""
    ending = ENDINGS[EndReason(call.end_reason)] if call.end_reason else None
    return CallView(
        id=call.id,
        status=_status(call.state, ending.owner if ending else None),
        end_reason=call.end_reason,
        ended_by=ending.owner if ending else None,
        end_words=ending.words if ending else None,
        created_at=call.authorized_at,
        started_at=call.started_at,
        ended_at=call.ended_at,
        duration_seconds=_seconds_between(call.started_at, call.ended_at),
        billed_seconds=call.seconds,
        credits_used=to_credits(call.cost),
        credits_per_minute=to_credits(call.price),
        model=call.model,
        voice=call.voice,
        language=call.language,
        free_call=call.free_call,
        title=headline.title if headline else None,
        highlights=headline.highlights if headline else [],
    )


def _status(state: str, owner: FaultOwner | None) -> str:
    """`authorized`, `active` and `expired` as they are; an ended call went well or did not."""
    if state != "closed":
        return state
    return "completed" if owner is FaultOwner.CALLER else "error"


def _seconds_between(start: datetime | None, end: datetime | None) -> int:
    """0 for a call whose billing clock never began or still runs."""
    if start is None or end is None:
        return 0
    return max(0, round((end - start).total_seconds()))
