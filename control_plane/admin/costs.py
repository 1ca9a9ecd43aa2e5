"""What providers take, as the operator knows it. A new price counts from now; none is changed."""

from collections.abc import Iterator, Sequence
from typing import Final

from billing import audit
from control_plane.store import daily_stats
from control_plane.store.daily_stats import ProviderCost
from shared.db import Tx
from shared.errors import Invalid

PRODUCTS: Final = ("call", "speech", "clone")
BASES: Final = ("second", "character", "operation", "token_in", "token_out")
MODEL_CHARS_MAX: Final = 200
MICRODOLLARS_MAX: Final = 10**12  # a million dollars for one lot of units is a slip
PER_UNITS_MAX: Final = 10**9


async def put(
    tx: Tx,
    *,
    product: str,
    model: str,
    basis: str,
    microdollars: int,
    per_units: int,
    actor: str,
    reason: str,
) -> None:
    """`microdollars` for `per_units` of the basis, from now on. Raises Invalid."""
    model = model.partition(":")[0]  # versions of a model cost the same
    if product not in PRODUCTS or basis not in BASES or not 0 < len(model) <= MODEL_CHARS_MAX:
        raise Invalid(f"A product is one of {PRODUCTS}, a basis one of {BASES}")
    if not (0 <= microdollars <= MICRODOLLARS_MAX and 0 < per_units <= PER_UNITS_MAX):
        raise Invalid("A cost is not negative, and for at least one unit")
    await daily_stats.insert_cost(
        tx,
        product=product,
        model=model,
        basis=basis,
        microdollars=microdollars,
        per_units=per_units,
        actor=actor,
    )
    await audit.record(
        tx,
        actor=actor,
        action="provider_cost",
        user_id=None,
        reason=reason,
        details={
            "product": product,
            "model": model,
            "basis": basis,
            "microdollars": microdollars,
            "per_units": per_units,
        },
    )


def cost_lines(costs: Sequence[ProviderCost]) -> Iterator[str]:
    for one in costs:
        yield (
            f"  {one.product} {one.model}: {one.microdollars} millionths of a dollar for"
            f" {one.per_units} x {one.basis}, by {one.actor}"
        )
