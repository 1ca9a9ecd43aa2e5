"""The algebra that makes repeated, lost and reordered reports harmless."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.pricing import affordable_seconds, call_cost
from tests.properties.ledger_bench import LedgerBench

prices = st.integers(min_value=1, max_value=10**13)
seconds = st.integers(min_value=0, max_value=86_400)


@given(prices, st.lists(seconds, min_size=1, max_size=20))
def test_segments_of_any_cut_sum_to_the_call(price: int, cuts: list[int]) -> None:
    """However a call is cut into segments, their costs sum to the cost of the whole."""
    marks = [0, *sorted(cuts)]

    total = sum(call_cost(price, b) - call_cost(price, a) for a, b in pairwise(marks))

    assert call_cost(price, marks[-1]) == total


@given(prices, seconds)
def test_cost_is_the_exact_price_rounded_up_once(price: int, n: int) -> None:
    exact_sixtieths = price * n

    assert exact_sixtieths <= call_cost(price, n) * 60 < exact_sixtieths + 60


@given(prices, st.integers(min_value=0, max_value=10**15))
def test_affordable_seconds_is_the_largest_that_fits(price: int, free: int) -> None:
    n = affordable_seconds(price, free)

    assert call_cost(price, n) <= free < call_cost(price, n + 1)


def test_sql_and_python_agree_on_every_cost(db_dsn: str) -> None:
    bench = LedgerBench(db_dsn)

    @settings(max_examples=200, deadline=None)
    @given(prices, seconds)
    def agree(price: int, n: int) -> None:
        assert call_cost(price, n) == bench.value("select call_cost($1, $2)", price, n)

    try:
        agree()
    finally:
        bench.close()
