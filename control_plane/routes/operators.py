"""/api/operator/*: what operators see of the whole system, by the role in their session."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter

from billing.store import health
from control_plane.callers import Role, needs_role
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from shared.db import transaction

router = APIRouter(tags=["operators"], dependencies=[needs_role(Role.OPERATOR)])

RECENT_S: Final = 3_600.0  # everything that changed in an hour is checked in milliseconds
LISTED_MAX: Final = 100  # one is already an incident


class BookCheckView(Answer):
    """The last check of one scope by the jobs."""

    scope: str
    checked_at: datetime
    violations: int


class ViolationView(Answer):
    """`key` is the id of a call, a charge or an account."""

    invariant: str
    key: str


class Books(Answer):
    checks: list[BookCheckView]
    violations: list[ViolationView]


@router.get("/api/operator/violations", responses=errors(401, 403, 503))
async def list_violations(services: CurrentServices) -> Books:
    """What is wrong with the books of the last hour right now, and what the jobs found last."""
    async with transaction(services.pool) as tx:
        checks = await health.last_checks(tx)
        found = await health.recent_violations(tx, since_s=RECENT_S, limit=LISTED_MAX)
    return Books(
        checks=[
            BookCheckView(scope=one.scope, checked_at=one.checked_at, violations=one.violations)
            for one in checks
        ],
        violations=[ViolationView(invariant=one.invariant, key=one.key) for one in found],
    )
