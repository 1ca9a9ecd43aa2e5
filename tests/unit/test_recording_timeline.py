"""Two voices on one time: in place, without holes, and never more than a few seconds of them."""

from array import array

from agent.recording.timeline import JITTER_SAMPLES, LANE_SAMPLES_MAX, Side, Timeline
from agent.sound import RATE_HZ

PIECE = RATE_HZ // 10  # as long as the pieces of real calls


def tone(level: int, samples: int = PIECE) -> bytes:
    return array("h", [level] * samples).tobytes()


def sides(stereo: bytes) -> tuple["array[int]", "array[int]"]:
    both = array("h", stereo)
    return both[0::2], both[1::2]


def test_each_voice_has_its_side_and_its_place() -> None:
    timeline = Timeline()
    timeline.put(Side.CALLER, tone(1), at=RATE_HZ)
    timeline.put(Side.AGENT, tone(2), at=2 * RATE_HZ)
    left, right = sides(timeline.take(until=3 * RATE_HZ))
    assert len(left) == len(right) == 3 * RATE_HZ
    assert (left.index(1), left.count(1)) == (RATE_HZ, PIECE)
    assert (right.index(2), right.count(2)) == (2 * RATE_HZ, PIECE)


def test_pieces_that_jitter_are_joined() -> None:
    timeline = Timeline()
    for number, late in enumerate((0, 500, -500, JITTER_SAMPLES - 1, 3)):
        timeline.put(Side.CALLER, tone(7), at=number * PIECE + late)
    left, _ = sides(timeline.take(until=5 * PIECE))
    assert set(left) == {7}


def test_what_was_cut_was_never_heard() -> None:
    timeline = Timeline()
    timeline.put(Side.AGENT, tone(2, RATE_HZ), at=0)
    timeline.cut(Side.AGENT, at=RATE_HZ // 2)
    timeline.put(Side.AGENT, tone(3), at=2 * RATE_HZ)
    _, right = sides(timeline.take(until=3 * RATE_HZ))
    assert (right.count(2), right.index(3)) == (RATE_HZ // 2, 2 * RATE_HZ)


def test_taking_goes_on_where_it_ended() -> None:
    timeline = Timeline()
    timeline.put(Side.CALLER, tone(5, RATE_HZ), at=0)
    taken = b"".join(timeline.take(until=until) for until in (100, 100, 7_000, RATE_HZ))
    left, right = sides(taken)
    assert (left.count(5), len(right)) == (RATE_HZ, RATE_HZ)
    assert timeline.take(until=RATE_HZ // 2) == b""


def test_what_comes_too_late_is_dropped() -> None:
    timeline = Timeline()
    timeline.take(until=2 * RATE_HZ)
    timeline.put(Side.CALLER, tone(9), at=RATE_HZ)
    left, _ = sides(timeline.take(until=3 * RATE_HZ))
    assert left.count(9) == 0


def test_nobody_fills_the_memory() -> None:
    timeline = Timeline()
    for number in range(1_000):
        timeline.put(Side.CALLER, tone(1), at=number * PIECE)
        timeline.put(Side.AGENT, tone(1), at=10**9)
    held = [len(lane.pcm) // 2 for lane in timeline._lanes.values()]
    assert max(held) <= LANE_SAMPLES_MAX
    assert len(timeline.take(until=10**9)) == LANE_SAMPLES_MAX * 4
