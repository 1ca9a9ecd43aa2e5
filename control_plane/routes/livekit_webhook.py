"""POST /webhooks/livekit: verified, stored, answered. What it means is somebody else's work."""

import json
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from control_plane.phone.redaction import without_numbers
from control_plane.services import CurrentServices
from control_plane.store import inbox
from shared import metrics
from shared.db import transaction
from shared.errors import AppError, Invalid

router = APIRouter(include_in_schema=False)

AGE_S_MAX: Final = 600  # the media server retries for a minute or two; older is a replay
NAME_CHARS_MAX: Final = 128
SOURCE: Final = "livekit"


@router.post("/webhooks/livekit")
async def receive_livekit_webhook(request: Request, services: CurrentServices) -> JSONResponse:
    """200 also for a repeated delivery: it is in the inbox already."""
    try:
        is_new = await _store(request, services)
    except AppError as refused:
        metrics.WEBHOOKS.labels(SOURCE, refused.code).inc()
        raise
    metrics.WEBHOOKS.labels(SOURCE, "stored" if is_new else "repeated").inc()
    return JSONResponse({"received": True})


async def _store(request: Request, services: CurrentServices) -> bool:
    """False for a repeated delivery. Raises Unauthenticated or Invalid."""
    body = await request.body()
    event = services.livekit.read_webhook(body, request.headers.get("authorization", ""))
    if abs(services.clock.now().timestamp() - event.created_at_s) > AGE_S_MAX:
        raise Invalid("Webhook is too old")
    if not (_is_name(event.id) and _is_name(event.kind)):
        raise Invalid("Webhook without an id")
    payload = without_numbers(_storable(json.loads(body, parse_constant=str)))
    async with transaction(services.pool) as tx:
        return await inbox.put(
            tx, source=SOURCE, event_id=event.id, kind=event.kind, payload=payload
        )


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_CHARS_MAX and text.isprintable()


def _storable(value: Any) -> Any:
    """The JSON value without what jsonb refuses: NUL characters and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
