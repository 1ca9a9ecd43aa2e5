"""The report button and the review queue behind it."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from billing import audit
from billing.errors import CallNotFound
from control_plane.errors import CharacterNotFound
from control_plane.store import accounts, characters
from control_plane.store import reports as store
from shared.db import Tx
from shared.errors import Conflict
from shared.ids import new_uuid

WORDS_MAX: Final = 2_000
REPORTS_A_DAY_MAX: Final = 50  # more is a program; a person in need uses words
DAY_S: Final = 86_400.0


class TooManyReports(Conflict):
    """You have reported a lot today. We read all of it; please write to us for more"""

    code = "too_many_reports"


class ReportWish(BaseModel):
    """POST /api/reports. `callId` is one's own call."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    category: Literal["unsafe", "minor", "illegal", "harassment", "wrong", "other"]
    call_id: UUID | None = None
    character_id: UUID | None = None
    words: Annotated[str, Field(max_length=WORDS_MAX)] = ""


async def file_report(tx: Tx, wish: ReportWish, *, owner: UUID) -> UUID:
    """The report's id. Raises CallNotFound, CharacterNotFound or TooManyReports."""
    character_id = wish.character_id
    if wish.call_id is not None:
        if not await store.call_is_own(tx, wish.call_id, owner=owner):
            raise CallNotFound
        character_id = character_id or await store.character_of_call(tx, wish.call_id)
    if wish.character_id and await characters.find(tx, wish.character_id, owner=owner) is None:
        raise CharacterNotFound
    await accounts.lock(tx, owner)
    if await store.count_recent(tx, owner, within_s=DAY_S) >= REPORTS_A_DAY_MAX:
        raise TooManyReports
    report_id = new_uuid()
    await store.insert(
        tx,
        report_id=report_id,
        owner=owner,
        call_id=wish.call_id,
        character_id=character_id,
        category=wish.category,
        words=wish.words.strip() or None,
    )
    return report_id


async def resolve(tx: Tx, report_ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """
    Close reports; `reason` is what was done about them. Returns how many were open.

    Raises Invalid for a reason that is none.
    """
    reason = audit.checked_reason(reason)
    done = await store.resolve(tx, report_ids, actor=actor, resolution=reason)
    return await _write_down(tx, "resolve_report", done, actor=actor, reason=reason)


async def reopen(tx: Tx, report_ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """Back into the queue. Returns how many were closed. Raises as `resolve`."""
    reason = audit.checked_reason(reason)
    done = await store.reopen(tx, report_ids)
    return await _write_down(tx, "reopen_report", done, actor=actor, reason=reason)


async def _write_down(
    tx: Tx, action: str, done: Sequence[tuple[UUID, UUID]], *, actor: str, reason: str
) -> int:
    for report_id, reporter in done:
        await audit.record(
            tx,
            actor=actor,
            action=action,
            user_id=reporter,
            reason=reason,
            details={"report_id": str(report_id)},
        )
    return len(done)
