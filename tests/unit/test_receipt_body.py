"""What a receipt says."""

import copy

import pytest

from billing.receipt_body import (
    call_content,
    credits_text,
)
from tests.unit.sealed_receipts import facts


def test_building_a_receipt_changes_no_fact() -> None:
    call = facts()
    before = copy.deepcopy(call)

    call_content(call)

    assert call == before


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0"),
        (1, "0.000001"),
        (1_000_000, "1"),
        (-2_283_334, "-2.283334"),
        (1_234_567_500_000, "1,234,567.5"),
    ],
)
def test_credits_are_shown_exactly(amount: int, words: str) -> None:
    assert credits_text(amount) == words
