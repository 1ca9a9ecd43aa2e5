"""The gauges of the books, read from the database when somebody scrapes `/metrics`."""

from billing.store import health
from control_plane.store.backlog import backlog
from shared import metrics
from shared.db import Pool, transaction

LATE_AFTER_S = 15.0  # reports come every 10 s


async def take_pulse(pool: Pool) -> None:
    """One short transaction; raises what the database raises."""
    async with transaction(pool) as tx:
        pulse = await health.pulse(tx, late_after_s=LATE_AFTER_S)
        checks = await health.last_checks(tx)
        waiting = await backlog(tx)
    metrics.OPEN_HOLDS.labels("under 5 minutes").set(pulse.holds_young)
    metrics.OPEN_HOLDS.labels("under an hour").set(pulse.holds_hour)
    metrics.OPEN_HOLDS.labels("older").set(pulse.holds_old)
    metrics.UNSETTLED_S.set(pulse.unsettled_s)
    metrics.LATE_SETTLES.set(pulse.late)
    metrics.DEAD_LETTERS.set(waiting.dead_letters)
    metrics.STRIPE_EVENT_WAITS_S.set(waiting.event_s)
    metrics.MAIL_WAITS_S.set(waiting.mail_s)
    metrics.PAYMENT_WAITS_S.set(waiting.payment_s)
    for check in checks:
        metrics.LEDGER_DRIFT.labels(check.scope).set(check.violations)
        metrics.BOOKS_CHECKED.labels(check.scope).set(check.checked_at.timestamp())
