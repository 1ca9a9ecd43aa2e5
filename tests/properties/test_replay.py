"""
I9: whatever the network does to the messages of some calls, the books end the same.

Equal are, for each account, its worth (balance - debt), its hold (0) and its ledger; for each call
its state, seconds, cost, end, and the sums of its segments. Not equal are the cuts between
segments, the grants on the way (their holds are returned at the close), and how worth is split into
balance and debt, which depends on whether a dispute found the money held or free.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.properties.ledger_bench import LedgerBench
from tests.properties.message_log import Message, Recording, Settle, Start, World
from tests.properties.storm import TIME_FLIES
from tests.properties.weakened import ABSOLUTE, EPOCH, patch

LOG_SEEDS = (1, 2, 3, 4)
DUPLICATES_MAX = 30


@pytest.fixture
def bench(db_dsn: str) -> Iterator[LedgerBench]:
    bench = LedgerBench(db_dsn)
    yield bench
    bench.close()


def deliveries(draw: st.DrawFn, log: list[Message]) -> list[int]:
    """A prefix, then every message in an order that could be, with repetitions, then a suffix."""
    count = len(log)
    prefix = list(range(draw(st.integers(0, count))))
    order = _linear(log, draw(st.permutations(range(count))))
    for message in draw(st.lists(st.integers(0, count - 1), max_size=DUPLICATES_MAX)):
        at = draw(st.integers(order.index(message) + 1, len(order)))
        order.insert(at, message)
    suffix = list(range(draw(st.integers(0, count)), count))
    return prefix + order + suffix


def _linear(log: list[Message], wished: list[int]) -> list[int]:
    """As wished, except that what a message rests on comes before it."""
    done: dict[int, None] = {}

    def place(message: int) -> None:
        if message not in done:
            for cause in sorted(log[message].after):
                place(cause)
            done[message] = None

    for message in wished:
        place(message)
    return list(done)


@pytest.mark.parametrize("seed", LOG_SEEDS)
def test_a_recorded_log_bills_what_was_used(bench: LedgerBench, seed: int) -> None:
    """The log itself is right, and has in it what makes replaying hard."""
    world = World(bench)
    recording = Recording(world, seed).run()

    assert [rows[0][:2] for rows in world.outcome()["calls"]] == [
        ("closed", used) for used in recording.used
    ]
    assert sum(isinstance(said, Start) and said.takes_over for said in recording.log) >= 1
    assert sum(isinstance(said, Settle) for said in recording.log) > 20
    assert bench.violations() == []


def _replay(bench: LedgerBench, recording: Recording, expected: object, examples: int) -> None:
    """Raises AssertionError when some delivery ends elsewhere."""

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],  # a log is too long to be shrunk; its seed names it
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def replay(data: st.DataObject) -> None:
        world = World(bench)
        for message in data.draw(st.composite(deliveries)(recording.log)):
            recording.log[message].deliver(world)
        assert world.outcome() == expected

    replay()


@pytest.mark.parametrize("seed", LOG_SEEDS)
def test_any_delivery_of_a_recorded_log_ends_in_the_same_books(
    bench: LedgerBench, seed: int
) -> None:
    first = World(bench)
    recording = Recording(first, seed).run()

    _replay(bench, recording, first.outcome(), examples=25)

    assert bench.violations() == []


@pytest.mark.parametrize("change", [ABSOLUTE, EPOCH], ids=["absolute report", "epoch"])
def test_without_one_idea_of_the_design_deliveries_matter(
    bench: LedgerBench, db_dsn: str, change: tuple[str, str]
) -> None:
    """Negative control: the same replay notices when a report counts twice, or a lost agent's."""
    first = World(bench)
    recording = Recording(first, LOG_SEEDS[0]).run()
    bench.run(patch(db_dsn, change))
    bench.execute(TIME_FLIES)

    with pytest.raises(AssertionError):
        _replay(bench, recording, first.outcome(), examples=25)
