"""POST /api/call-sessions/analyze: upstream's way to ask for the work after one call."""

import hmac
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from billing.errors import CallNotFound
from control_plane.auth import bearer_token
from control_plane.http_errors import parse_json
from control_plane.services import CurrentServices
from control_plane.store import after_calls
from shared.db import transaction
from shared.errors import NotFound, Unauthenticated

router = APIRouter(tags=["calls"], include_in_schema=False)

SKIPPED: Final = "skipped"


class Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID


@router.post("/api/call-sessions/analyze")
async def analyze_call(request: Request, services: CurrentServices) -> dict[str, bool]:
    """
    `ok`: the jobs do it next. `skipped`: done already, or there was nothing to do.

    Without CALL_SUMMARY_SECRET there is no such route.
    """
    secret = services.settings.call_summary_secret
    if secret is None:
        raise NotFound
    given = bearer_token(request.headers) or ""
    if not hmac.compare_digest(given.encode(), secret.get_secret_value().encode()):
        raise Unauthenticated("Unauthorized")
    order = parse_json(Order, await request.body())
    async with transaction(services.pool) as tx:
        state = await after_calls.state_of(tx, order.id)
        if state is None:
            raise CallNotFound
        if state == "open":
            await after_calls.hurry(tx, order.id)
    return {"ok": True} if state == "open" else {SKIPPED: True}
