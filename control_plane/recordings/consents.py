"""Whether a call may be recorded: what its agent is told, what it reports, and withdrawals."""

from uuid import UUID

from billing.errors import CallNotFound
from billing.store.calls import Started
from control_plane.recordings.settings import RecordingSettings
from control_plane.store import call_history
from control_plane.store import recordings as store
from shared.call_protocol import RecordingWish
from shared.db import Tx
from shared.errors import Fenced
from shared.recording_protocol import ConsentReport, ConsentStanding


async def wish_for(tx: Tx, started: Started, settings: RecordingSettings) -> RecordingWish:
    """
    What an agent that starts is told: to ask its caller or not.

    Whoever keeps nothing of what is said is not asked. A call that is paid already is not asked
    again; a yes from before can be taken back, so its next agent must know of it.
    """
    if settings.call_recording == "off":
        return "off"
    standing = await store.standing_of(tx, started.id, default_retention=settings.call_retention)
    if standing is None or standing.retention == "none":
        return "off"
    if started.seconds == 0:
        return "ask"
    return "given" if standing.is_given else "off"


async def report(
    tx: Tx, call_id: UUID, reported: ConsentReport, settings: RecordingSettings
) -> ConsentStanding:
    """Keep what the caller was asked and said. Raises CallNotFound or Fenced."""
    await check_epoch(tx, call_id, reported.epoch)
    await store.report_consent(
        tx,
        call_id,
        epoch=reported.epoch,
        language=reported.language,
        statement=reported.statement,
        answer=reported.answer,
    )
    return ConsentStanding(
        may_record=settings.call_recording == "ask"
        and await store.lock_yes(tx, call_id, epoch=reported.epoch)
        and await _keeps_texts(tx, call_id, settings)
    )


async def _keeps_texts(tx: Tx, call_id: UUID, settings: RecordingSettings) -> bool:
    """Whether the retention that holds now lets anything of this call be kept."""
    standing = await store.standing_of(tx, call_id, default_retention=settings.call_retention)
    return standing is not None and standing.retention != "none"


async def check_epoch(tx: Tx, call_id: UUID, epoch: int) -> None:
    """Also after the call has ended. Raises CallNotFound or Fenced."""
    now = await call_history.epoch_of(tx, call_id)
    if now is None:
        raise CallNotFound
    if now != epoch or epoch == 0:
        raise Fenced
