"""
What an account may do. The only place that says so is the table `plans`; nothing else decides by
"has paid" what is offered.
"""

from dataclasses import dataclass
from uuid import UUID

from billing.store import plans
from shared.db import Tx
from shared.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Of the account's present plan. Counts are how many it may have at a time."""

    plan_id: str
    plan_name: str
    custom_characters: int
    scenes: bool
    longer_texts: bool
    api_keys: int
    concurrent_calls: int


async def features_of(connection: Tx, user_id: UUID) -> Features:
    """Raises NotFound for an unknown account."""
    plan = await plans.plan_of(connection, user_id)
    if plan is None:
        raise NotFound("Account not found")
    return Features(
        plan_id=plan.id,
        plan_name=plan.name,
        custom_characters=plan.custom_characters,
        scenes=plan.scenes,
        longer_texts=plan.longer_texts,
        api_keys=plan.api_keys,
        concurrent_calls=plan.concurrent_calls,
    )


async def keeps_memories(connection: Tx, user_id: UUID) -> bool:
    """Whether the plan has memories that last longer than a call."""
    return await plans.keeps_memories(connection, user_id)
