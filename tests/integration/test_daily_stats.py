"""The figures of a day, who may see them, and the report in the operators' chat."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from control_plane.daily_stats import bounds_of, stats_of, yesterday
from control_plane.telegram_report import DailyReport, Telegram, TelegramSettings, report_text
from shared.clock import SystemClock
from shared.ids import new_uuid
from tests import builders
from tests.fakes.telegram import CHAT, TOKEN, TelegramServer, telegram_server
from tests.integration.operator_desk import Staff
from tests.web_process import Media, Web, running_web, web_settings

DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CRON = "the secret of the cron job"
GROK = "grok-voice-think-fast-1.0"


@pytest_asyncio.fixture
async def db(db_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(db_dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with telegram_server() as running:
        yield running


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media, telegram: TelegramServer) -> AsyncIterator[Web]:
    settings = web_settings(
        db_dsn,
        no_media,
        cron_secret=CRON,
        telegram_bot_token=TOKEN,
        telegram_chat_id=CHAT,
        telegram_base_url=telegram.url,
    )
    async with running_web(settings) as running:
        yield running


async def a_call(
    db: "asyncpg.Connection[asyncpg.Record]",
    *,
    at: datetime = NOON,
    seconds: int = 90,
    model: str = GROK,
    reason: str = "caller_hangup",
) -> None:
    account = await builders.account(db)
    call_id = new_uuid()
    await db.execute(
        "insert into call_sessions(id, user_id, price_microcredits_per_minute, max_seconds,"
        " rate_card_version, state, seconds, granted, cost, ended_at, end_reason)"
        " values ($1, $2, 60000000, 600, 1, 'closed', $3, $3, call_cost(60000000, $3), $4, $5)",
        call_id,
        account.user_id,
        seconds,
        at,
        reason,
    )
    await db.execute(
        "insert into call_configs(call_id, room_name, plan, model, voice, language, instructions,"
        " greeting, free_call) values ($1, $2, 'paid', $3, 'Ara', 'en', '', '', false)",
        call_id,
        str(call_id),
        model,
    )


async def some_speech(
    db: "asyncpg.Connection[asyncpg.Record]",
    *,
    at: datetime = NOON,
    model: str = "grok-tts",
    source: str = "tts",
    characters: int = 1_000,
    tokens: tuple[int, int] | None = None,
) -> None:
    account = await builders.account(db)
    charge_id, voice = new_uuid(), "00000000-0000-4000-a000-000000000301"
    await db.execute(
        "insert into generation_charges(id, user_id, state, idempotency_key, request_sha256,"
        " product, model, plan, channel, unit, rate_card_version, price_microcredits, per_units,"
        " minimum_microcredits, hold, quantity, cost, expires_at, ended_at, end_reason)"
        " values ($1::uuid, $2, 'settled', $1::text, sha256('x'), 'speech', 'm', 'paid', 'web',"
        " 'character', 1, 1000000, 1, 0, 1000000, 1, 1000000, $3, $3, 'delivered')",
        charge_id,
        account.user_id,
        at,
    )
    await db.execute(
        "insert into generation_usage(charge_id, user_id, source_type, source_id, voice_model,"
        " model, unit, quantity, cost, input_chars, duration_ms, occurred_at)"
        " values ($1, $2, $3, $1, 'm', $4, 'chars', $5::int, 1000000, $5::int, 1500, $6)",
        charge_id,
        account.user_id,
        source,
        model,
        characters,
        at,
    )
    usage = {"promptTokens": tokens[0], "outputTokens": tokens[1]} if tokens else {}
    await db.execute(
        "insert into audio_files(id, user_id, voice_id, charge_id, text_content, model,"
        " source_type, cost, duration_ms, usage) values ($1, $2, $3, $1, 'x', $4, $5, 1000000,"
        " 1500, $6)",
        charge_id,
        account.user_id,
        voice,
        model,
        source,
        json.dumps(usage),
    )


async def a_payment(
    db: "asyncpg.Connection[asyncpg.Record]", *, at: datetime = NOON, **fields: Any
) -> None:
    account = await builders.account(db)
    values = {
        "charge_id": f"ch_{new_uuid().hex}",
        "user_id": account.user_id,
        "kind": "topup",
        "amount": 1_000,
        "currency": "usd",
        "credits": 0,
        "paid": True,
        "charged_at": at,
        **fields,
    }
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await db.execute(
        f"insert into payments({', '.join(values)}) values ({places})", *values.values()
    )


async def test_a_day_in_figures(db: "asyncpg.Connection[asyncpg.Record]") -> None:
    await a_call(db, seconds=90)
    await a_call(db, seconds=30, reason="provider_error")
    await a_call(db, seconds=5, reason="caller_lost")
    await some_speech(db, characters=1_000)
    await some_speech(db, model="gemini-2.5-pro-preview-tts", tokens=(100, 1_000))
    await some_speech(db, model="resemble-ai/chatterbox:1b84", source="api_voice_cloning")
    await a_payment(db, amount=2_500)
    await a_payment(db, amount=1_000, refunded=400)
    await a_payment(db, amount=1_000, disputed=1_000, dispute_status="won")
    await a_payment(db, amount=500, disputed=500, refunded=500, dispute_status="lost")
    await a_payment(db, amount=700, paid=False)

    stats = await stats_of(db, DAY, zone="UTC")

    assert (stats.calls, stats.call_seconds, stats.generations) == (3, 125, 3)
    assert stats.counts.failed_calls == 1
    [money] = stats.money
    assert (money.payments, money.gross, money.given_back) == (4, 5_000, 900)
    costs = {use.model: use.microdollars for use in stats.uses}
    assert costs == {
        GROK: 104_167,  # 125 s at 5 cents a minute, rounded up
        "grok-tts": 15_000,
        "gemini-2.5-pro-preview-tts": 20_100,
        "resemble-ai/chatterbox": 12_100,
    }
    assert stats.unknown_cost_uses == 0
    assert stats.margin_microdollars == 41_000_000 - 151_367


@pytest.mark.parametrize(
    "unknown",
    [
        {"model": "a-model-nobody-priced"},
        {"model": "gemini-2.5-pro-preview-tts", "tokens": None},  # priced by what is not recorded
    ],
)
async def test_an_unknown_cost_is_not_nothing(
    db: "asyncpg.Connection[asyncpg.Record]", unknown: dict[str, Any]
) -> None:
    await some_speech(db)
    await some_speech(db, **unknown)
    await a_payment(db)
    stats = await stats_of(db, DAY, zone="UTC")
    assert (stats.known_cost_microdollars, stats.unknown_cost_uses) == (15_000, 1)
    assert stats.margin_microdollars is None
    assert "and 1 uses of unknown cost" in report_text(stats)
    assert "Margin: unknown" in report_text(stats)


async def test_a_new_price_counts_from_its_moment_on(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await some_speech(db, at=datetime(2026, 3, 10, 8, tzinfo=UTC))
    await some_speech(db, at=datetime(2026, 3, 10, 16, tzinfo=UTC))
    await db.execute(
        "insert into provider_costs(product, model, basis, microdollars, per_units,"
        " effective_from, actor) values ('speech', 'grok-tts', 'character', 30, 1, $1, 'x')",
        NOON,
    )
    assert (await stats_of(db, DAY, zone="UTC")).known_cost_microdollars == 15_000 + 30_000


async def test_money_in_another_currency_makes_no_margin(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await a_payment(db)
    await a_payment(db, currency="jpy", amount=500)
    stats = await stats_of(db, DAY, zone="UTC")
    assert stats.margin_microdollars is None
    assert "Revenue: 500\u00a0JPY in 1 payments" in report_text(stats)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 3, 30), 24), (date(2026, 10, 25), 25)],
)
def test_a_day_is_as_long_as_it_is_there(day: date, hours: int) -> None:
    since, before = bounds_of(day, "Europe/Berlin")
    assert (before.astimezone(UTC) - since.astimezone(UTC)).total_seconds() == hours * 3_600


def test_yesterday_is_where_the_operators_are() -> None:
    now = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)
    assert yesterday(now, "UTC") == date(2026, 3, 9)
    assert yesterday(now, "Asia/Tokyo") == date(2026, 3, 10)
    assert yesterday(now, "America/Los_Angeles") == date(2026, 3, 9)


async def test_what_happened_at_midnight_belongs_to_one_day(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    since, before = bounds_of(DAY, "America/Los_Angeles")
    await a_call(db, at=since)
    await a_call(db, at=before)
    assert (await stats_of(db, DAY, zone="America/Los_Angeles")).calls == 1
    assert (await stats_of(db, date(2026, 3, 9), zone="America/Los_Angeles")).calls == 0


async def test_an_operator_reads_and_sends_nothing(web: Web, telegram: TelegramServer) -> None:
    await a_call(web.db)
    answer = await Staff(web, "operator").get(f"/api/daily-stats?date={DAY}")
    said = answer.json()
    assert (said["calls"], said["callSeconds"], said["sent"]) == (1, 90, False)
    assert (said["costUsd"], said["marginUsd"]) == (0.075, -0.075)
    assert telegram.messages == []


async def ask_as_cron(web: Web, secret: str = CRON, query: str = "") -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    return await web.client.get(f"/api/daily-stats{query}", headers=headers)


async def test_the_cron_job_sends_each_day_once(web: Web, telegram: TelegramServer) -> None:
    await a_call(web.db)
    answers = await asyncio.gather(*(ask_as_cron(web, query=f"?date={DAY}") for _ in range(5)))
    assert [one.status_code for one in answers] == [200] * 5
    assert sorted(one.json()["sent"] for one in answers) == [False] * 4 + [True]
    [message] = telegram.messages
    assert message["text"].startswith("2026-03-10 (UTC)\nRevenue: none\nProvider cost: 0.0750 USD")
    assert "Calls: 1, 1.5 minutes, 0 failed" in message["text"]


@pytest.mark.parametrize("secret", ["", "x", CRON + "x", CRON[:-1], "\u00e9"])
async def test_another_secret_is_none(web: Web, telegram: TelegramServer, secret: str) -> None:
    headers = {b"Authorization": f"Bearer {secret}".encode("latin-1")}
    answer = await web.client.get("/api/daily-stats", headers=headers)
    assert answer.status_code == 401
    assert telegram.messages == []


def report(pool: Any, url: str, **changes: Any) -> DailyReport:
    settings = TelegramSettings.model_validate(
        {
            "telegram_bot_token": TOKEN,
            "telegram_chat_id": CHAT,
            "telegram_base_url": url,
            **changes,
        }
    )
    return DailyReport(pool, Telegram(settings), SystemClock(), "UTC")


@pytest.mark.parametrize(
    "fault", [(429, '{"ok":false,"error_code":429}'), (502, "<html>"), (200, "[]"), (200, "")]
)
async def test_a_report_that_failed_is_sent_after_a_pause(
    web: Web, telegram: TelegramServer, fault: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    pool = web.app.state.services.pool
    telegram.faults.append(fault)
    daily = report(pool, telegram.url)
    with caplog.at_level(logging.DEBUG):
        assert not await daily.round()
        assert not await daily.round()  # pausing
        await web.db.execute("update daily_reports set due_at = now()")
        assert await daily.round()
        assert not await daily.round()
    assert len(telegram.messages) == 1
    assert TOKEN not in caplog.text


async def test_a_server_that_is_away_is_answered_503_without_its_address(
    web: Web, telegram: TelegramServer
) -> None:
    telegram.faults.append((500, "oops"))
    answer = await ask_as_cron(web)
    assert (answer.status_code, answer.json()["code"]) == (503, "telegram_unavailable")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("missing", ["telegram_bot_token", "telegram_chat_id"])
async def test_without_a_token_or_a_chat_it_is_off(
    web: Web, telegram: TelegramServer, missing: str
) -> None:
    daily = report(web.app.state.services.pool, telegram.url, **{missing: None})
    assert not await daily.round()
    assert telegram.messages == []
    assert await web.db.fetchval("select count(*) from daily_reports") == 0
