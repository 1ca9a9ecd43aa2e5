"""/internal/v1/calls/{id}/tools: see `shared/tool_protocol.py`. Never exposed."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from control_plane import call_tools
from control_plane.http_errors import parse_json
from control_plane.services import CurrentServices, TrustedWorker
from shared.db import transaction
from shared.tool_protocol import AskCredit, Forget, Recall, Remember

router = APIRouter(
    prefix="/internal/v1/calls/{call_id}/tools",
    dependencies=[TrustedWorker],
    include_in_schema=False,
)


@router.post("/credit")
async def credit_left(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    order = parse_json(AskCredit, await request.body())
    async with transaction(services.pool) as tx:
        call = await call_tools.owned_call(tx, call_id, epoch=order.epoch)
    return _json(call_tools.credit_left(call, seconds=order.seconds))


@router.post("/remember")
async def remember(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    order = parse_json(Remember, await request.body())
    return _json(await call_tools.remember(services.pool, services.memories, call_id, order))


@router.post("/forget")
async def forget(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    order = parse_json(Forget, await request.body())
    return _json(await call_tools.forget(services.pool, services.memories, call_id, order))


@router.post("/recall")
async def recall(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    order = parse_json(Recall, await request.body())
    return _json(await call_tools.recall(services.pool, services.memories, call_id, order))


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
