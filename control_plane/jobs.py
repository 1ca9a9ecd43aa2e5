"""
The jobs process: `python -m control_plane.jobs`.

It moves money nobody asks for any more (holds of dead calls); it is never needed for money to be
right. Any number of these may run: one leads, the others wait for its lock.
"""

import asyncio
import signal

from billing import expiry, generation_charges, limits
from billing.invariants import LISTED_MAX
from billing.store import health
from billing.store.health import Violation
from billing.stripe_settings import StripeSettings
from control_plane.after_calls.opening import AfterCallWorkSettings, open_after_calls
from control_plane.after_calls.retention import TextRetention
from control_plane.cloning.withdrawal import retire_expired
from control_plane.daily_stats import StatsSettings
from control_plane.idempotency import purge_answers
from control_plane.livekit_gateway import LiveKitGateway
from control_plane.livekit_inbox import LiveKitInbox
from control_plane.mail.opening import open_carrier
from control_plane.mail.outbox import Outbox
from control_plane.mail.settings import MailSettings
from control_plane.objects.opening import open_objects
from control_plane.objects.settings import ObjectSettings
from control_plane.phone.lonely import LonelyLines
from control_plane.reaper import Reaper
from control_plane.reconcile import reconcile
from control_plane.schedule import Chore, run_as_leader
from control_plane.sentry import configure_sentry
from control_plane.settings import CallJoinSettings
from control_plane.speech.retention import Retention
from control_plane.speech.settings import RetentionSettings
from control_plane.speech_jobs.opening import SpeechWorkSettings, open_speech_worker
from control_plane.store import listeners, upkeep
from control_plane.telegram_report import DailyReport, Telegram, TelegramSettings
from control_plane.till_work import open_till_work
from shared.clock import SystemClock
from shared.db import Pool, open_pool, transaction
from shared.log import configure_logging, get_logger
from shared.settings import LiveKitSettings, PostgresSettings, SentrySettings

log = get_logger(__name__)

REAP_PERIOD_S = 1.0  # a caller waits for the agent at most this much longer than decided
INBOX_PERIOD_S = 2.0
ROOMS_PERIOD_S = 60.0
BOOKS_PERIOD_S = 60.0
BOOKS_LOOK_BACK_S = 300.0  # several periods: a missed round leaves no hole
ALL_BOOKS_PERIOD_S = 24 * 3_600.0
EXPIRE_PERIOD_S = 5.0
LOTS_PERIOD_S = 60.0  # for accounts that are away; whoever starts something is up to date at once
LOW_BALANCE_PERIOD_S = 30.0
MAIL_PERIOD_S = 5.0
REPORT_PERIOD_S = 300.0  # of looking whether a day is over; each is sent once
UPKEEP_PERIOD_S = 3_600.0
RETENTION_PERIOD_S = 30.0  # of batches of old audio; there may be many
PURGE_PERIOD_S = 300.0  # of answers kept for idempotency keys
TEXTS_PERIOD_S = 30.0  # of batches of what was said in calls
LINES_PERIOD_S = 10.0  # a caller hears silence for up to twice as long
CLONES_PERIOD_S = 60.0  # recordings go this much later than promised, at most


class JobsSettings(
    AfterCallWorkSettings,
    SpeechWorkSettings,
    CallJoinSettings,
    PostgresSettings,
    LiveKitSettings,
    SentrySettings,
    ObjectSettings,
    RetentionSettings,
    StripeSettings,
    MailSettings,
    StatsSettings,
    TelegramSettings,
):
    """What the jobs process composes."""


async def run(settings: JobsSettings) -> None:
    """Run until cancelled."""
    pool = await _pool_when_there(settings)
    gateway = LiveKitGateway(settings)
    reaper = Reaper(pool, gateway, settings.call_join_limit_s)
    inbox = LiveKitInbox(pool, reaper)
    objects = open_objects(settings)
    retention = Retention(pool, objects, settings)
    chores = [
        Chore("reap", REAP_PERIOD_S, reaper.round),
        Chore("inbox", INBOX_PERIOD_S, inbox.round),
        Chore("rooms", ROOMS_PERIOD_S, reaper.compare_rooms),
        Chore("expire", EXPIRE_PERIOD_S, lambda: _expire_charges(pool)),
        Chore("expire_lots", LOTS_PERIOD_S, lambda: expiry.expire_due(pool)),
        Chore("low_balance", LOW_BALANCE_PERIOD_S, lambda: _tell_low_balances(pool)),
        Chore("books", BOOKS_PERIOD_S, lambda: check_recent_books(pool)),
        Chore("all_books", ALL_BOOKS_PERIOD_S, lambda: check_all_books(pool)),
        Chore("reconcile", ALL_BOOKS_PERIOD_S, lambda: reconcile(pool)),
        Chore("partitions", UPKEEP_PERIOD_S, lambda: _ensure_partitions(pool)),
        Chore("purge", UPKEEP_PERIOD_S, inbox.purge),
        Chore("retention", RETENTION_PERIOD_S, retention.round),
        Chore("call_texts", TEXTS_PERIOD_S, TextRetention(pool, settings).round),
        Chore("purge_answers", PURGE_PERIOD_S, lambda: purge_answers(pool)),
        Chore("retire_clones", CLONES_PERIOD_S, lambda: retire_expired(pool, objects)),
        Chore("phone_lines", LINES_PERIOD_S, LonelyLines(pool, gateway).round),
    ]
    chores += _telling(settings, pool)
    try:
        dsn = settings.database_url.get_secret_value()
        async with (
            open_after_calls(settings, pool=pool) as after_calls,
            open_speech_worker(settings, pool=pool, clock=SystemClock()) as speech_jobs,
            open_till_work(settings, pool=pool, rooms=gateway, clock=SystemClock()) as till_work,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(speech_jobs.run())  # by every process, not by the leader alone
            tasks.create_task(after_calls.run())  # by every process, too
            tasks.create_task(till_work.run())  # by every process, too
            tasks.create_task(run_as_leader(dsn, [*chores, *till_work.chores], SystemClock()))
    finally:
        await gateway.close()
        await pool.close()


def _telling(settings: JobsSettings, pool: Pool) -> list[Chore]:
    """Mail to people and the report to operators, each where it is set up."""
    chores = []
    carrier = open_carrier(settings)
    if carrier is not None:
        assert settings.mail_from is not None, "the settings refuse a server without it"
        chores.append(Chore("mail", MAIL_PERIOD_S, Outbox(pool, carrier, settings.mail_from).round))
    telegram = Telegram(settings)
    if telegram.is_on:
        report = DailyReport(pool, telegram, SystemClock(), settings.stats_time_zone)
        chores.append(Chore("daily_report", REPORT_PERIOD_S, report.round))
    return chores


async def check_recent_books(pool: Pool) -> int:
    """Check what changed lately; returns the number of violations."""
    async with transaction(pool) as tx:
        found = await health.recent_violations(tx, since_s=BOOKS_LOOK_BACK_S, limit=LISTED_MAX)
        await health.keep_check(tx, scope="recent", found=found)
    return _shout(found)


async def check_all_books(pool: Pool) -> int:
    """Check everything; reads every call there ever was."""
    async with transaction(pool) as tx:
        found = await health.violations(tx, limit=LISTED_MAX)
        await health.keep_check(tx, scope="all", found=found)
    return _shout(found)


def _shout(found: list[Violation]) -> int:
    if found:
        log.error("books_are_wrong", count=len(found), reason=found[0].invariant)
    return len(found)


async def _expire_charges(pool: Pool) -> None:
    async with transaction(pool) as tx:
        expired = await generation_charges.expire(tx)
    if expired:
        log.warning("charges_expired", count=len(expired))


async def _tell_low_balances(pool: Pool) -> None:
    async with transaction(pool) as tx:
        await limits.tell_low_balances(tx)


async def _ensure_partitions(pool: Pool) -> None:
    async with transaction(pool) as tx:
        await upkeep.ensure_partitions(tx)
        await listeners.forget_the_gone(tx)


async def _pool_when_there(settings: PostgresSettings) -> Pool:
    """A database that is not up yet is a reason to wait, not to crash-loop."""
    while True:
        try:
            return await open_pool(settings, application_name="jobs")
        except (OSError, TimeoutError):
            log.warning("no_database", dependency="postgres")
            await asyncio.sleep(1)


async def _run_until_told() -> None:
    settings = JobsSettings()
    configure_sentry(settings)
    work = asyncio.create_task(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")


if __name__ == "__main__":
    configure_logging("jobs")
    asyncio.run(_run_until_told())
