"""
The report of a day in the operators' Telegram chat, once a day.

    await DailyReport(pool, telegram, zone).send(day)

Which day is sent is committed before the message leaves, so two senders send it once. A reply that
is lost may bring the same figures twice: the bot API has no key to prevent it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import httpx2
from pydantic import Field, SecretStr

from billing.money import to_credits
from control_plane.daily_stats import DailyStats, stats_of, yesterday
from control_plane.mail.facts import money_text
from control_plane.store import daily_stats as store
from shared.clock import Clock
from shared.db import Pool, transaction
from shared.errors import Unavailable
from shared.log import get_logger
from shared.settings import EnvironmentSettings

log = get_logger(__name__)

TIMEOUT_S: Final = 15.0
ATTEMPTS_MAX: Final = 20  # of a day
PAUSE_S: Final = 900.0  # until the next attempt
MODELS_MAX: Final = 12  # lines of a report
TEXT_CHARS_MAX: Final = 4_096  # Telegram's
_DOLLAR: Final = 1_000_000


class TelegramSettings(EnvironmentSettings):
    """Without a token and a chat no report is sent."""

    telegram_bot_token: SecretStr | None = Field(default=None, min_length=1)
    telegram_chat_id: str | None = Field(default=None, min_length=1)
    telegram_base_url: str = "https://api.telegram.org"


class TelegramAway(Unavailable):
    """Telegram did not take the report"""

    code = "telegram_unavailable"


@dataclass(frozen=True, slots=True)
class Telegram:
    """The token is part of the address: no error and no log here may carry either."""

    settings: TelegramSettings

    @property
    def is_on(self) -> bool:
        return bool(self.settings.telegram_bot_token and self.settings.telegram_chat_id)

    async def send(self, text: str) -> None:
        """Raises TelegramAway."""
        token = self.settings.telegram_bot_token
        assert token is not None, "ask is_on first"
        base = self.settings.telegram_base_url.rstrip("/")
        body = {"chat_id": self.settings.telegram_chat_id, "text": text[:TEXT_CHARS_MAX]}
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S) as http:
                answer = await http.post(
                    f"{base}/bot{token.get_secret_value()}/sendMessage", json=body
                )
                said = answer.json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            raise TelegramAway from None  # its text holds the address
        if not isinstance(said, dict) or said.get("ok") is not True:
            log.warning("telegram_refused", status=answer.status_code)
            raise TelegramAway


@dataclass(frozen=True, slots=True)
class DailyReport:
    pool: Pool
    telegram: Telegram
    clock: Clock
    zone: str

    async def round(self) -> bool:
        """For the jobs: send yesterday's when it was not sent. True when it was sent now."""
        try:
            return await self.send(yesterday(self.clock.now(), self.zone))
        except TelegramAway:
            return False  # again after a pause

    async def send(self, day: date) -> bool:
        """False when it was sent before, or somebody is at it. Raises TelegramAway."""
        if not self.telegram.is_on:
            return False
        async with transaction(self.pool) as tx:
            claimed = await store.claim_report(tx, day, lease_s=PAUSE_S, attempts_max=ATTEMPTS_MAX)
            if not claimed:
                return False
            stats = await stats_of(tx, day, zone=self.zone)
        await self.telegram.send(report_text(stats))
        async with transaction(self.pool) as tx:
            await store.report_sent(tx, day)
        return True


def report_text(stats: DailyStats) -> str:
    """Plain text for a chat."""
    return "\n".join(_lines(stats))


def _lines(stats: DailyStats) -> Iterator[str]:
    yield f"{stats.day.isoformat()} ({stats.zone})"
    for one in stats.money:
        yield (
            f"Revenue: {money_text(one.gross, one.currency)} in {one.payments} payments"
            + (f", {money_text(one.given_back, one.currency)} given back" if one.given_back else "")
        )
    if not stats.money:
        yield "Revenue: none"
    known = dollars(stats.known_cost_microdollars)
    if stats.unknown_cost_uses:
        yield f"Provider cost: {known} known, and {stats.unknown_cost_uses} uses of unknown cost"
    else:
        yield f"Provider cost: {known}"
    margin = stats.margin_microdollars
    yield f"Margin: {'unknown' if margin is None else dollars(margin)}"
    counts = stats.counts
    minutes = stats.call_seconds / 60
    yield f"Calls: {stats.calls}, {minutes:.1f} minutes, {counts.failed_calls} failed"
    yield f"Speech: {stats.generations}, {counts.failed_generations} failed"
    yield f"New accounts: {counts.new_accounts}, failed payments: {counts.failed_payments}"
    for use in stats.uses[:MODELS_MAX]:
        cost = dollars(use.microdollars) + (" + unknown" if use.unknown_uses else "")
        credits_used = f"{to_credits(use.microcredits):,} credits"
        yield f"  {use.product} {use.model}: {use.uses}, {credits_used}, {cost}"


def dollars(microdollars: int) -> str:
    """`-1.2345 USD`: four digits, because seconds of speech cost fractions of a cent."""
    sign = "-" if microdollars < 0 else ""
    whole, rest = divmod(abs(microdollars), _DOLLAR)
    return f"{sign}{whole:,}.{rest // 100:04} USD"
