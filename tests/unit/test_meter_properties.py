"""Whatever the clock and the control plane do, the meter keeps these promises."""

import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.meter import Cue, Meter, MeterState

SHORT_S = st.floats(min_value=0.0, max_value=40.0, allow_nan=False)


class AnyCall(RuleBasedStateMachine):
    """Random pauses, late findings, grants and ticks against a model that adds up intervals."""

    @initialize(base=st.integers(0, 500), granted=st.integers(0, 700), final=st.booleans())
    def begin(self, base: int, granted: int, final: bool) -> None:
        self.base = base
        self.now_s = 1000.0
        self.running_s = 0.0
        self.meter = Meter(base_seconds=base, granted_seconds=granted, final_unit=final)
        self.granted = max(base, granted)
        self.shown = base
        self.begun_s: float | None = None
        self.cues: list[Cue] = []

    @rule(step_s=SHORT_S)
    def time_passes(self, step_s: float) -> None:
        if self.meter.state is MeterState.RUNNING:
            self.running_s += step_s
        self.now_s += step_s

    @rule()
    def start(self) -> None:
        if self.begun_s is None:
            self.begun_s = self.now_s
        self.meter.start(self.now_s)

    @rule(late_s=st.floats(0.0, 5.0))
    def pause(self, late_s: float) -> None:
        """Noticed `late_s` after it happened: only that much is not counted."""
        if self.meter.state is MeterState.RUNNING:
            running_before = self.running_s
            self.running_s -= min(late_s, self.stretch_s())
            assert self.running_s <= running_before
        self.meter.pause(self.now_s - late_s)

    def stretch_s(self) -> float:
        return self.now_s - self.meter._running_since_s

    @rule()
    def resume(self) -> None:
        self.meter.resume(self.now_s)

    @rule(more=st.integers(-100, 100), final=st.booleans())
    def answer(self, more: int, final: bool) -> None:
        self.granted = max(self.granted, self.granted + more)
        self.meter.extend(granted_seconds=self.granted, final_unit=final)

    @rule(back_s=st.floats(0.0, 3.0))
    def tick(self, back_s: float) -> None:
        """Also with a time a little in the past, as proof of the caller's presence may be."""
        tick = self.meter.tick(self.now_s - back_s)
        if tick.cue:
            self.cues.append(tick.cue)
        assert tick.seconds == self.meter.seconds
        assert tick.seconds >= self.shown
        assert tick.seconds <= self.base + math.floor(self.running_s + 1e-3) or (
            tick.seconds == self.shown
        )
        self.shown = tick.seconds

    @invariant()
    def never_above_the_grant(self) -> None:
        assert self.meter.seconds <= self.granted

    @invariant()
    def never_more_than_the_time_since_it_began(self) -> None:
        since_s = 0.0 if self.begun_s is None else self.now_s - self.begun_s
        assert self.meter.seconds - self.base <= since_s + 1

    def teardown(self) -> None:
        seconds = self.meter.finish(self.now_s)
        assert self.shown <= seconds <= self.granted
        counted = max(self.shown, min(self.base + math.ceil(self.running_s), self.granted))
        assert abs(seconds - counted) <= 1  # float dust at a whole second
        assert self.meter.finish(self.now_s + 100) == seconds


TestAnyCall = AnyCall.TestCase


@given(
    granted=st.integers(1, 300),
    steps=st.lists(st.floats(0.05, 2.0), min_size=1, max_size=400),
)
def test_a_final_grant_ends_in_order_and_exactly_at_its_last_second(
    granted: int, steps: list[float]
) -> None:
    running = Meter(base_seconds=0, granted_seconds=granted, final_unit=True)
    running.start(0.0)
    now_s, cues = 0.0, []
    for step_s in steps:
        now_s += step_s
        tick = running.tick(now_s)
        if tick.cue:
            cues.append(tick.cue)
        if tick.cue is Cue.HANG_UP:
            assert tick.seconds == granted
            break
    order = [Cue.WARN_FIRST, Cue.WARN_LAST, Cue.GOODBYE, Cue.HANG_UP]
    assert cues == sorted(cues, key=order.index)
    assert len(set(cues)) == len(cues)
    assert Cue.WITHDRAWN not in cues


@given(cuts=st.lists(st.floats(0.0, 100.0), max_size=20), end_s=st.floats(0.0, 100.0))
def test_how_often_it_is_asked_changes_nothing(cuts: list[float], end_s: float) -> None:
    asked = Meter(base_seconds=0, granted_seconds=1000, final_unit=False)
    quiet = Meter(base_seconds=0, granted_seconds=1000, final_unit=False)
    asked.start(0.0)
    quiet.start(0.0)
    for cut_s in sorted(cut for cut in cuts if cut <= end_s):
        asked.tick(cut_s)
    assert asked.finish(end_s) == quiet.finish(end_s)


@given(start_s=st.floats(0.0, 1e6), talked_s=st.floats(0.0, 500.0), late_s=st.floats(0.0, 5.0))
def test_a_pause_at_the_last_whole_second_bills_exactly_the_seconds_shown(
    start_s: float, talked_s: float, late_s: float
) -> None:
    meter = Meter(base_seconds=0, granted_seconds=1000, final_unit=False)
    meter.start(start_s)
    now_s = start_s + talked_s
    shown = meter.tick(now_s).seconds
    meter.pause(meter.last_second_at_s(now_s))
    assert meter.finish(now_s + late_s) == shown
