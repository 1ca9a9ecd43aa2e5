"""
The charging functions under a storm, and proof that the storm would notice.

Each negative control removes one idea of the design from the real SQL and expects the check that
guards it to speak up, and to say why.
"""

import pytest

from tests.properties.storm import Storm
from tests.properties.weakened import ABSOLUTE, EPOCH, HOLD, LOCK_ORDER, WATERMARK, patch


@pytest.mark.parametrize("seed", [101, 102])
async def test_no_storm_breaks_the_books(db_dsn: str, seed: int) -> None:
    """Lost replies, stale reports, takeovers and disputes leave every invariant whole."""
    report = await Storm(db_dsn, seed=seed).run(duration_s=4)

    assert report.is_calm, report
    assert report.operations > 500
    assert report.lost_replies > 10
    assert report.fenced > 10


async def test_without_the_watermark_segments_no_longer_sum(db_dsn: str) -> None:
    await patch(db_dsn, WATERMARK)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert "I1 segments sum to the call" in report.violations


async def test_without_the_hold_reserved_is_not_the_sum_of_holds(db_dsn: str) -> None:
    await patch(db_dsn, HOLD)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert "I5 reserved = open holds" in report.violations


async def test_without_absolute_reports_a_repeated_one_is_billed_twice(db_dsn: str) -> None:
    await patch(db_dsn, ABSOLUTE)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert report.overbilled


async def test_without_the_epoch_a_fenced_agent_is_billed(db_dsn: str) -> None:
    await patch(db_dsn, EPOCH)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert report.overbilled


async def test_without_the_lock_order_connections_deadlock(db_dsn: str) -> None:
    await patch(db_dsn, *LOCK_ORDER)

    report = await Storm(db_dsn, seed=7, accounts=12).run(duration_s=4, workers=12)

    assert report.errors["DeadlockDetectedError"] > 0
