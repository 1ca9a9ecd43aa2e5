from agent.meter import GOODBYE_S, Cue, Meter, MeterState


def meter(*, granted: int = 100, base: int = 0, final: bool = False) -> Meter:
    return Meter(base_seconds=base, granted_seconds=granted, final_unit=final)


def cues_until(running: Meter, *, start_s: int = 0, end_s: int) -> list[tuple[int, Cue]]:
    """Tick once a second from `start_s` to `end_s`, as the call does."""
    found = []
    for second in range(start_s, end_s + 1):
        cue = running.tick(float(second)).cue
        if cue:
            found.append((second, cue))
    return found


def test_nothing_counts_before_the_clock_starts() -> None:
    waiting = meter()
    assert waiting.tick(500.0).seconds == 0
    assert waiting.finish(900.0) == 0


def test_a_second_counts_when_it_is_over() -> None:
    running = meter()
    running.start(10.0)
    assert running.tick(10.999).seconds == 0
    assert running.tick(11.0).seconds == 1


def test_the_second_that_was_begun_counts_at_the_end() -> None:
    running = meter()
    running.start(10.0)
    assert running.finish(13.01) == 4


def test_a_call_that_ends_on_the_second_is_not_rounded_up() -> None:
    running = meter()
    running.start(0.1)
    assert running.finish(0.1 + 3.0) == 3


def test_an_end_within_the_delivery_allowance_costs_nothing() -> None:
    running = meter()
    running.start(10.25)
    assert running.finish(10.2) == 0


def test_only_the_first_start_counts() -> None:
    running = meter()
    running.start(10.0)
    running.start(50.0)
    assert running.finish(12.0) == 2


def test_gaps_are_not_counted() -> None:
    running = meter()
    running.start(0.0)
    running.pause(10.4)
    assert running.tick(100.0).seconds == 10
    running.resume(100.0)
    assert running.finish(101.0) == 12  # 10.4 + 1.0, and the second that was begun


def test_a_gap_found_late_is_taken_back_to_where_it_began() -> None:
    running = meter()
    running.start(0.0)
    running.tick(9.0)
    running.pause(9.5)  # noticed at 12
    assert running.finish(12.0) == 10


def test_a_second_that_was_shown_is_never_taken_back() -> None:
    running = meter()
    running.start(0.0)
    assert running.tick(12.0).seconds == 12
    running.pause(10.0)
    assert running.tick(13.0).seconds == 12
    assert running.finish(13.0) == 12


def test_the_meter_never_passes_the_grant() -> None:
    running = meter(granted=20)
    running.start(0.0)
    assert running.tick(300.0).seconds == 20
    assert running.finish(300.5) == 20


def test_a_taken_over_call_goes_on_from_its_base() -> None:
    running = meter(base=40, granted=60)
    assert running.seconds == 40
    running.start(0.0)
    assert running.tick(5.0).seconds == 45
    assert running.tick(90.0).seconds == 60


def test_warnings_come_at_sixty_and_twenty_seconds_before_a_final_grant_ends() -> None:
    running = meter(granted=100, final=True)
    running.start(0.0)
    assert cues_until(running, end_s=100) == [
        (40, Cue.WARN_FIRST),
        (80, Cue.WARN_LAST),
        (100 - int(GOODBYE_S), Cue.GOODBYE),
        (100, Cue.HANG_UP),
    ]


def test_a_warning_tells_the_seconds_left() -> None:
    running = meter(granted=100, final=True)
    running.start(0.0)
    tick = running.tick(40.02)
    assert (tick.cue, tick.seconds_left) == (Cue.WARN_FIRST, 60)


def test_a_grant_that_will_be_extended_gives_no_warning() -> None:
    running = meter(granted=60, final=False)
    running.start(0.0)
    assert cues_until(running, end_s=50) == []


def test_a_grant_that_nobody_extended_ends_with_a_goodbye_too() -> None:
    """The control plane was away for the whole grant: the caller still hears a farewell."""
    running = meter(granted=60, final=False)
    running.start(0.0)
    assert [cue for _, cue in cues_until(running, end_s=60)] == [Cue.GOODBYE, Cue.HANG_UP]


def test_a_top_up_withdraws_the_warning_once() -> None:
    running = meter(granted=100, final=True)
    running.start(0.0)
    cues_until(running, end_s=45)
    running.extend(granted_seconds=160, final_unit=False)
    assert cues_until(running, start_s=46, end_s=60) == [(46, Cue.WITHDRAWN)]


def test_warnings_come_again_after_a_top_up_was_used_up() -> None:
    running = meter(granted=60, final=True)
    running.start(0.0)
    assert running.tick(1.0).cue is Cue.WARN_FIRST
    running.extend(granted_seconds=120, final_unit=True)
    assert cues_until(running, start_s=2, end_s=100) == [
        (2, Cue.WITHDRAWN),
        (60, Cue.WARN_FIRST),
        (100, Cue.WARN_LAST),
    ]


def test_a_short_grant_is_warned_with_what_is_left() -> None:
    running = meter(granted=30, final=True)
    running.start(0.0)
    tick = running.tick(1.0)
    assert (tick.cue, tick.seconds_left) == (Cue.WARN_FIRST, 29)


def test_an_older_answer_neither_shrinks_the_grant_nor_makes_it_final() -> None:
    running = meter(granted=100, final=False)
    running.extend(granted_seconds=60, final_unit=True)
    assert (running.granted_seconds, running.final_unit) == (100, False)


def test_the_same_grant_may_become_final() -> None:
    running = meter(granted=100, final=False)
    running.extend(granted_seconds=100, final_unit=True)
    assert running.final_unit


def test_a_paused_call_is_not_hurried() -> None:
    running = meter(granted=60, final=True)
    running.start(0.0)
    assert running.tick(10.0).cue is Cue.WARN_FIRST
    running.pause(10.0)
    assert running.tick(500.0).cue is None


def test_nothing_happens_after_the_end() -> None:
    running = meter(granted=60)
    running.start(0.0)
    running.finish(5.0)
    running.extend(granted_seconds=600, final_unit=True)
    running.pause(6.0)
    running.resume(7.0)
    assert running.tick(50.0).seconds == 5
    assert running.tick(50.0).cue is None
    assert running.finish(60.0) == 5
    assert running.state is MeterState.ENDED


def test_the_next_second_is_known_to_whoever_sleeps_until_it() -> None:
    running = meter()
    assert running.until_next_second_s(5.0) == float("inf")
    running.start(10.25)
    assert running.until_next_second_s(10.0) == 1.25
    running.tick(12.3)
    assert round(running.until_next_second_s(12.3), 6) == 0.95
    running.pause(12.4)
    assert running.until_next_second_s(12.5) == float("inf")


def test_a_pause_at_the_last_whole_second_begins_no_other() -> None:
    """The proof of a caller's presence is a little later than the second it proves."""
    running = meter()
    running.start(10.25)
    running.tick(14.27)
    running.pause(running.last_second_at_s(14.27))
    assert running.finish(20.0) == 4
