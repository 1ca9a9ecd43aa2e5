"""
One day in figures: what came in, what the providers took, what is left, how much was talked and
what failed. A day is one of the configured time zone, so it may have 23 or 25 hours.

Money in is what was charged that day (credit is prepaid), not what was used. What is not known is
said to be unknown; it is never counted as nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from billing.generation_charges import ReleaseReason
from control_plane.store import daily_stats as store
from control_plane.store.daily_stats import Counts, ModelUse, Money
from shared.db import Tx
from shared.end_reasons import ENDINGS, EndReason, FaultOwner
from shared.settings import EnvironmentSettings

CENT_IN_MICRODOLLARS: Final = 10_000

# A caller whose own line broke is no failure of ours.
CALL_FAILURES: Final = sorted(
    reason.value
    for reason, ending in ENDINGS.items()
    if ending.owner in {FaultOwner.OPERATOR, FaultOwner.PROVIDER} or reason is EndReason.MEDIA_LOST
)
GENERATION_FAILURES: Final = sorted(
    [ReleaseReason.FAILED, ReleaseReason.BAD_AUDIO, ReleaseReason.EXPIRED]
)


class StatsSettings(EnvironmentSettings):
    """When a day begins, and who may ask for its figures without a session."""

    stats_time_zone: str = "UTC"  # an IANA name
    cron_secret: SecretStr | None = Field(default=None, min_length=16)

    @field_validator("stats_time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("must be a time zone such as Europe/Berlin") from error
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStats:
    day: date
    zone: str
    money: list[Money]
    uses: list[ModelUse]
    counts: Counts

    @property
    def calls(self) -> int:
        return sum(use.uses for use in self.uses if use.product == "call")

    @property
    def call_seconds(self) -> int:
        return sum(use.seconds for use in self.uses if use.product == "call")

    @property
    def generations(self) -> int:
        return sum(use.uses for use in self.uses if use.product != "call")

    @property
    def known_cost_microdollars(self) -> int:
        return sum(use.microdollars for use in self.uses)

    @property
    def unknown_cost_uses(self) -> int:
        return sum(use.unknown_uses for use in self.uses)

    @property
    def margin_microdollars(self) -> int | None:
        """Dollars in, less dollars out; None where either is not known in dollars."""
        if self.unknown_cost_uses or any(one.currency != "usd" for one in self.money):
            return None
        net = sum(one.gross - one.given_back for one in self.money)
        return net * CENT_IN_MICRODOLLARS - self.known_cost_microdollars


def yesterday(now: datetime, zone: str) -> date:
    """The last day that is complete there."""
    return now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)


def bounds_of(day: date, zone: str) -> tuple[datetime, datetime]:
    """[first moment, first moment of the next day)."""
    there = ZoneInfo(zone)
    since = datetime.combine(day, time(), there)
    return since, datetime.combine(day + timedelta(days=1), time(), there)


async def stats_of(tx: Tx, day: date, *, zone: str) -> DailyStats:
    """The figures of a day, as far as they are known now."""
    since, before = bounds_of(day, zone)
    return DailyStats(
        day=day,
        zone=zone,
        money=await store.money(tx, since, before),
        uses=await store.uses(tx, since, before),
        counts=await store.counts(
            tx,
            since,
            before,
            call_failures=CALL_FAILURES,
            generation_failures=[str(reason) for reason in GENERATION_FAILURES],
        ),
    )
