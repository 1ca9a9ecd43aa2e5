"""What waits too long is seen by whoever watches the gauges."""

from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from control_plane.pulse import take_pulse
from control_plane.store.backlog import Backlog, backlog
from shared import metrics
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings
from tests import builders

HOUR_S = 3_600


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> Any:
    opened = await open_pool(
        PostgresSettings.model_validate({"database_url": db_dsn}), application_name="tests"
    )
    yield opened
    await opened.close()


async def test_nothing_waits_at_first_nor_mail_that_nobody_set_up(pool: Pool, db_dsn: str) -> None:
    db = await asyncpg.connect(db_dsn)
    await _mail(db, error=None)
    await db.close()
    async with transaction(pool) as tx:
        assert await backlog(tx) == Backlog(0, 0, 0, 0)


async def test_what_waits_for_an_hour_is_an_hour_old(pool: Pool, db_dsn: str) -> None:
    db = await asyncpg.connect(db_dsn)
    await _event(db, "evt_dead", dead=True)
    await _event(db, "evt_late", dead=False)
    await _mail(db, error="mail_server_away")
    buyer = await builders.account(db)
    await db.execute(
        "insert into topups(id, user_id, kind, amount, currency, credits, state, created_at) "
        "values (gen_random_uuid(), $1, 'auto', 500, 'usd', 1, 'open', now() - interval '1 h')",
        buyer.user_id,
    )
    await db.close()
    await take_pulse(pool)
    assert metrics.DEAD_LETTERS._value.get() == 1
    for gauge in (metrics.STRIPE_EVENT_WAITS_S, metrics.MAIL_WAITS_S, metrics.PAYMENT_WAITS_S):
        assert gauge._value.get() == pytest.approx(HOUR_S, abs=60)


async def _event(db: Any, event_id: str, *, dead: bool) -> None:
    await db.execute(
        "insert into webhook_inbox(source, event_id, kind, payload, received_at, dead_at) values "
        "('stripe', $1, 'charge.updated', '{}', now() - interval '1 h', "
        "case when $2 then now() end)",
        event_id,
        dead,
    )


async def _mail(db: Any, *, error: str | None) -> None:
    """The notice makes its mail by a trigger."""
    reader = await builders.account(db)
    await db.execute(
        "insert into notices(user_id, kind, dedupe_key, payload, created_at) "
        "values ($1, 'receipt', 'one', '{}', now() - interval '1 h')",
        reader.user_id,
    )
    await db.execute("update mails set error = $1", error)
