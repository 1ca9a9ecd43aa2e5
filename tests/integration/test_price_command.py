"""The command that shows and publishes price lists."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from billing import prices
from shared.db import Pool, open_pool
from shared.settings import PostgresSettings
from tests.integration.priced_work import begin_call, rate, rich_account, run_call, speak

ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


async def test_a_dry_run_says_what_yesterday_would_have_cost_and_changes_nothing(
    pool: Pool, db_dsn: str
) -> None:
    user = await rich_account(pool)
    call_id, _ = await begin_call(pool, user)
    await run_call(pool, call_id, 90)
    await speak(pool, user, 500)
    old_call, _ = await begin_call(pool, await rich_account(pool, "old"))
    await run_call(pool, old_call, 60)
    await pool.execute(
        "update call_sessions set ended_at = ended_at - interval '25 hours' where id = $1", old_call
    )

    async with pool.acquire() as connection:
        report = await prices.publish(
            connection,
            [rate(whole_credits=1_200), rate(whole_credits=600, model="m"), rate("speech", 2)],
            effective_from=None,
            published_by="test",
            reason="a test",
            dry_run=True,
        )

    assert (
        "~ call model=* plan=* channel=*: 1,000 credits a minute -> 1,200 credits a minute"
        in report
    )
    assert "+ call model=m plan=* channel=*: 600 credits a minute" in report
    assert "- clone model=* plan=* channel=*: 11 credits a character" in report
    assert "1 x call: was 1,500 credits, would be 900 credits, difference -600 credits" in report
    assert "1 x speech: was 500 credits, would be 1,000 credits, difference 500 credits" in report
    assert report.endswith("nothing was published")
    assert await pool.fetchval("select max(version) from rate_cards") == 2


async def test_work_the_new_card_cannot_price_is_named_and_keeps_its_cost(pool: Pool) -> None:
    user = await rich_account(pool)
    await speak(pool, user, 500)

    async with pool.acquire() as connection:
        report = await prices.publish(
            connection,
            [rate(), rate("speech", 2, unit="token")],
            effective_from=None,
            published_by="test",
            reason="a test",
            dry_run=True,
        )

    assert "1 x speech: was 500 credits, would be 500 credits, difference 0 credits" in report
    assert "1 of them have no price in the same unit" in report


def command(db_dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "billing.prices", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": db_dsn},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_command_shows_edits_and_publishes_a_card(db_dsn: str, tmp_path: Path) -> None:
    """What an operator does: show, edit, dry run, publish."""
    file = tmp_path / "card.toml"
    shown = command(db_dsn, "show")
    file.write_text(shown.stdout.replace("price = 1000", "price = 1250"))

    unnamed = command(db_dsn, "publish", str(file))
    tried = command(db_dsn, "publish", str(file), "--dry-run")
    done = command(db_dsn, "publish", str(file), "--by", "operator", "--reason", "dearer power")
    planned = command(
        db_dsn, "publish", str(file), "--by", "x", "--reason", "y", "--from", "2999-01-01T00:00Z"
    )
    past = command(
        db_dsn, "publish", str(file), "--by", "x", "--reason", "y", "--from", "2020-01-01T00:00Z"
    )
    after = command(db_dsn, "show")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert unnamed.returncode == 1
    assert "names who publishes it and why" in unnamed.stderr
    assert tried.stdout.endswith("nothing was published\n")
    assert "-> 1,250 credits a minute" in done.stdout
    assert done.stdout.endswith("published rate card 3\n")
    assert planned.returncode == 0
    assert past.returncode == 1
    assert "in the past" in past.stderr
    assert after.stdout.startswith("# rate card 3, from ")
    assert "# published by operator: dearer power" in after.stdout
    assert "# rate card 4 follows on 2999-01-01" in after.stdout


def test_the_command_refuses_what_is_no_card(db_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    file.write_text('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = 0.1\n')

    refused = command(db_dsn, "publish", str(file), "--by", "x", "--reason", "y")
    missing = command(db_dsn, "publish", str(tmp_path / "none.toml"), "--by", "x")
    unknown = command(db_dsn, "show", "--card", "77")

    assert [run.returncode for run in (refused, missing, unknown)] == [1, 1, 1]
    assert 'refused:\n  0.1 is a float; write an integer, or "0.1" in quotes' in refused.stderr
    assert "Traceback" not in refused.stderr + missing.stderr + unknown.stderr
