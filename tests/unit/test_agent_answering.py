"""A job that goes wrong leaves nothing behind that somebody would have to wait for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from agent.answering import _call_of
from agent.journal import Journal, SlotState
from agent.slots import SlotPool
from shared.clock import SystemClock
from shared.end_reasons import ENDINGS, EndReason
from tests.agent_calls import call_config as config


async def test_a_call_that_cannot_begin_is_over_in_the_journal(tmp_path: Path) -> None:
    """Left as waiting, nobody would close it and nobody could use its slot again."""
    journal = Journal.create(tmp_path, worker_id="test", cells=1, slots_per_cell=1)
    slot = SlotPool(journal, 0).reserve()
    assert slot
    call = config(seconds=7, granted_seconds=60)
    slot.begin(call)
    job = cast("Any", SimpleNamespace(room=rtc.Room()))
    cell = cast("Any", SimpleNamespace(clock=SystemClock(), more_tools=_nobody))

    with pytest.raises(RuntimeError, match="nobody speaks"):
        await _call_of(call, job, cell, slot, cast("Any", None))

    mark = journal.watermark(slot.index)
    assert mark
    assert (mark.state, mark.seconds) == (SlotState.ENDED, 7)
    assert mark.reason_code == ENDINGS[EndReason.AGENT_ERROR].journal_code
    journal.remove()


def _nobody() -> None:
    raise RuntimeError("nobody speaks")
