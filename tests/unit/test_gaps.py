"""What stood still is not billed, and is listed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest_asyncio
from livekit import rtc

from agent.billing_clock import MEDIA_LOSSES_MAX, MEDIA_LOST_AFTER_S, POLL_S, BillingClock
from agent.evidence import Evidence
from agent.gaps import GapKind, Gaps
from agent.journal import Journal
from agent.meter import Meter
from agent.presence import Presence
from agent.slots import SlotPool
from shared.end_reasons import EndReason
from tests.agent_calls import call_config as config
from tests.fakes.clock import MovableClock


def _running() -> tuple[Meter, Gaps]:
    meter = Meter(base_seconds=0, granted_seconds=120, final_unit=False)
    meter.start(0.0)
    return meter, Gaps(meter)


def test_time_in_which_the_agent_itself_stood_still_is_listed() -> None:
    meter, gaps = _running()
    meter.tick(5.0)

    gaps.skip(5.2, 9.2)

    assert meter.tick(10.3).seconds == 6
    [listed] = gaps.standstills
    assert listed.report(0, 20.0).model_dump() == {
        "index": 0,
        "at_s": 5,
        "lasted_s": 4.0,
        "cause": "media_lost",
    }


def test_a_standstill_within_a_gap_is_part_of_the_gap() -> None:
    meter, gaps = _running()
    gaps.begin(GapKind.CALLER_AWAY, 3.0)

    gaps.skip(4.0, 8.0)

    gaps.end(GapKind.CALLER_AWAY, 9.0)
    assert [(gap.begun_s, gap.ended_s) for gap in gaps.standstills] == [(3.0, 9.0)]
    assert meter.tick(10.0).seconds == 4


@pytest_asyncio.fixture
async def billing(tmp_path: Path) -> AsyncIterator[tuple[MovableClock, BillingClock]]:
    """The clock of a call that has just begun."""
    journal = Journal.create(tmp_path, worker_id="test", cells=1, slots_per_cell=1)
    slot = SlotPool(journal, 0).reserve()
    assert slot is not None
    slot.begin(config())
    clock, room = MovableClock(), rtc.Room()
    presence = Presence(room, "human", on_come=_ignore, on_lost=_ignore, on_left=_ignore)
    billing = BillingClock(
        config=config(),
        slot=slot,
        evidence=Evidence(room, presence),
        clock=clock,
        on_change=_ignore,
        on_cue=_ignore,
        on_over=_ignore,
    )
    billing.begin()
    yield clock, billing
    journal.remove()


def _ignore(*_: object) -> None:
    """Nobody listens here."""


async def test_a_hang_up_found_on_waking_is_not_billed_to_the_awakening(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    """The news of the end may come before the first look at the clock."""
    clock, call = billing
    clock.ahead_s += 30

    assert call.finish(EndReason.CALLER_HANGUP) == 0


async def test_a_gap_found_on_waking_does_not_begin_with_the_standstill(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    clock, call = billing
    clock.ahead_s += 30

    call.begin_gap(GapKind.PROVIDER_DOWN)

    assert call.finish(EndReason.CALLER_HANGUP) <= 1  # a second that had begun


async def test_a_hang_up_within_a_short_standstill_is_not_billed_beyond_the_last_look(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    """Too short to be a gap, but long enough that the caller may have left at its beginning."""
    clock, call = billing
    clock.ahead_s += 1.9

    assert call.finish(EndReason.CALLER_HANGUP) == 0


async def test_a_short_standstill_costs_nothing(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    """Frozen between handing over the first sound and its way to the caller, for example."""
    clock, call = billing
    clock.ahead_s += 1.5

    call.begin_gap(GapKind.ROOM_LOST)
    call.end_gap(GapKind.ROOM_LOST)

    assert call.finish(EndReason.CALLER_HANGUP) <= 1  # a second that had begun
    assert [gap.report(0, 9.0).cause for gap in call.gaps.standstills][:1] == ["media_lost"]


async def test_a_clock_that_begins_in_a_gap_waits_for_its_end(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    """A greeting that was made before the model was lost, and is heard while it is away."""
    clock, former = billing
    call = BillingClock(
        config=former.config,
        slot=former.slot,
        evidence=former.evidence,
        clock=clock,
        on_change=_ignore,
        on_cue=_ignore,
        on_over=_ignore,
    )
    call.begin_gap(GapKind.PROVIDER_DOWN)
    call.begin()
    clock.ahead_s += 10

    assert call.meter.tick(clock.monotonic()).seconds == 0

    call.end_gap(GapKind.PROVIDER_DOWN)
    clock.ahead_s += 2

    assert call.meter.tick(clock.monotonic()).seconds == 2


@dataclass(slots=True)
class Listener:
    """Somebody who sends a moment of sound whenever `sends(second)` says so, to pay for less."""

    sends: Callable[[float], bool]
    has_sent: bool = False
    heard_s: float = 0.0
    second: float = 0.0

    async def is_alive(self) -> bool:
        has_sent, self.has_sent = self.has_sent, False
        return has_sent

    async def listen(self, call: BillingClock, clock: MovableClock, *, for_s: float) -> None:
        """In steps of the clock's own; nothing is heard while the media have stopped."""
        call.evidence = cast("Evidence", self)
        for _ in range(round(for_s / POLL_S)):
            self.has_sent = self.has_sent or self.sends(self.second)
            self.second += POLL_S
            self.heard_s += 0 if GapKind.MEDIA_STOPPED in call.gaps else POLL_S
            clock.ahead_s += POLL_S
            await call.step()


async def test_a_moment_of_sound_now_and_then_buys_no_seconds_of_listening(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    clock, call = billing
    miser = Listener(lambda second: second % 2.5 == 0)
    await miser.listen(call, clock, for_s=60)
    assert miser.heard_s <= call.meter.seconds + MEDIA_LOST_AFTER_S + 1


async def test_a_line_that_stops_again_and_again_is_lost(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    clock, call = billing
    ended: list[EndReason] = []
    call.on_over = ended.append
    miser = Listener(lambda second: second % 5 < 2)
    await miser.listen(call, clock, for_s=5 * (MEDIA_LOSSES_MAX - 1))
    assert ended == []
    await miser.listen(call, clock, for_s=5)
    assert ended == [EndReason.CALLER_LOST]


async def test_a_line_that_comes_back_is_believed_after_a_second(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    clock, call = billing
    caller = Listener(lambda second: second < 10 or second >= 20)
    await caller.listen(call, clock, for_s=21)
    assert GapKind.MEDIA_STOPPED in call.gaps
    await caller.listen(call, clock, for_s=0.5)
    assert not call.gaps
    await caller.listen(call, clock, for_s=5)
    assert 14 <= call.meter.seconds <= 15


async def test_standstills_are_seen_while_a_proof_is_waited_for(
    billing: tuple[MovableClock, BillingClock],
) -> None:
    clock, call = billing
    looking = asyncio.create_task(call.look())
    await asyncio.sleep(0)
    clock.ahead_s += 1.0
    async with asyncio.timeout(5):
        while not call.gaps.standstills:
            await asyncio.sleep(0.01)
    looking.cancel()
