"""
What one tick of a call costs its agent: the meter counts, the journal knows.

Anchors: the meter alone, and the plain way to survive a crash (append to a file, fsync).
"""

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.journal import Journal, SlotState
from agent.meter import Meter
from agent.slots import Slot, SlotPool
from shared.call_protocol import CALL_SECONDS_MAX
from shared.clock import SystemClock

_CLOCK = SystemClock()
ROUNDS = 5
TICKS = 20_000
SYNCED_TICKS = 500


@dataclass(frozen=True, slots=True)
class TickCost:
    name: str
    microseconds: float


def tick_costs(folder: Path) -> list[TickCost]:
    """Medians over ROUNDS rounds, of the journal on the disk that holds `folder`."""
    journal = Journal.create(folder, worker_id="bench", cells=1, slots_per_cell=1)
    try:
        slot = SlotPool(journal, 0).reserve()
        assert slot is not None
        return [
            _cost("anchor: the meter alone", TICKS, _alone),
            _cost("anchor: meter, append and fsync", SYNCED_TICKS, _synced(folder)),
            _cost("meter with journal", TICKS, _journaled(slot)),
        ]
    finally:
        journal.remove()


def _cost(name: str, ticks: int, run: Callable[[int], None]) -> TickCost:
    rounds = []
    for _ in range(ROUNDS):
        began_s = _CLOCK.monotonic()
        run(ticks)
        rounds.append((_CLOCK.monotonic() - began_s) / ticks * 1e6)
    return TickCost(name, statistics.median(rounds))


def _running_meter() -> Meter:
    meter = Meter(base_seconds=0, granted_seconds=CALL_SECONDS_MAX, final_unit=False)
    meter.start(0.0)
    return meter


def _alone(ticks: int) -> None:
    meter = _running_meter()
    for second in range(ticks):
        meter.tick(float(second))


def _journaled(slot: Slot) -> Callable[[int], None]:
    def run(ticks: int) -> None:
        meter = _running_meter()
        for second in range(ticks):
            slot.write(SlotState.LIVE, meter.tick(float(second)).seconds)

    return run


def _synced(folder: Path) -> Callable[[int], None]:
    def run(ticks: int) -> None:
        meter = _running_meter()
        with (folder / "appended").open("ab", buffering=0) as file:
            for second in range(ticks):
                file.write(meter.tick(float(second)).seconds.to_bytes(32, "little"))
                os.fsync(file.fileno())

    return run
