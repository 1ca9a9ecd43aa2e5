"""
The charging functions under a storm, and proof that the storm would notice.

Each negative control removes one idea of the design from the real SQL and expects the check that
guards it to speak up, and to say why.
"""

import asyncpg
import pytest

from shared.migrate import MIGRATIONS
from tests.properties.storm import Storm


@pytest.mark.parametrize("seed", [101, 102])
async def test_no_storm_breaks_the_books(db_dsn: str, seed: int) -> None:
    """Lost replies, stale reports, takeovers and disputes leave every invariant whole."""
    report = await Storm(db_dsn, seed=seed).run(duration_s=4)

    assert report.is_calm, report
    assert report.operations > 500
    assert report.lost_replies > 10
    assert report.fenced > 10


async def _patch(dsn: str, *changes: tuple[str, str]) -> None:
    """Redefine the charging functions with pieces of their text replaced."""
    sql = (MIGRATIONS / "0003_charging.sql").read_text()
    for old, new in changes:
        assert old in sql, f"the patch no longer fits: {old}"
        sql = sql.replace(old, new)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql.replace("create function", "create or replace function"))
    finally:
        await connection.close()


WATERMARK = (
    "call_cost(price, s1) - call_cost(price, s0), 'agent' from grants where s1 > s0)",
    "call_cost(price, upto), 'agent' from grants where upto > 0)",
)
HOLD = (
    "update credits c set reserved = c.reserved + d.x",
    "update credits c set reserved = c.reserved",
)
EPOCH = ("r.epoch = s.epoch and s.epoch > 0 as is_owner", "true as is_owner")
ABSOLUTE = (
    "least(r.upto, s.granted, plausible_seconds(s.started_at, s.answered_at)) believed",
    "least(s.seconds + r.upto, s.granted) believed",
)


async def test_without_the_watermark_segments_no_longer_sum(db_dsn: str) -> None:
    await _patch(db_dsn, WATERMARK)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert "I1 segments sum to the call" in report.violations


async def test_without_the_hold_reserved_is_not_the_sum_of_holds(db_dsn: str) -> None:
    await _patch(db_dsn, HOLD)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert "I5 reserved = open holds" in report.violations


async def test_without_absolute_reports_a_repeated_one_is_billed_twice(db_dsn: str) -> None:
    await _patch(db_dsn, ABSOLUTE)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert report.overbilled


async def test_without_the_epoch_a_fenced_agent_is_billed(db_dsn: str) -> None:
    await _patch(db_dsn, EPOCH)

    report = await Storm(db_dsn, seed=7).run(duration_s=2)

    assert report.overbilled


async def test_without_the_lock_order_connections_deadlock(db_dsn: str) -> None:
    await _patch(
        db_dsn,
        (
            "order by user_id for no key update",
            "order by md5(user_id::text || random()) for no key update",
        ),
        ("order by id for no key update", "order by md5(id::text || random()) for no key update"),
    )

    report = await Storm(db_dsn, seed=7, accounts=12).run(duration_s=4, workers=12)

    assert report.errors["DeadlockDetectedError"] > 0
