"""Somebody who has bought credit and wants calls remembered."""

from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.customer import signed_in
from tests.e2e.ledger import post_credit


async def paid(stack: Stack, amount: int) -> SimulatedCaller:
    """Somebody new with so many credits, those of the sign-up among them."""
    caller = await signed_in(stack)
    had = (await caller.api.balance()).amount
    await post_credit(stack, caller.api.user_id, amount - had)
    await caller.api.request("PATCH", "/api/call-settings", {"memory": "lasting"})
    return caller
