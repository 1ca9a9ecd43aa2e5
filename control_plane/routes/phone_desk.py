"""/internal/v1/phone: what an agent asks about a caller. Not in the schema, never exposed."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from control_plane.http_errors import parse_json
from control_plane.phone import front_desk
from control_plane.services import CurrentServices, TrustedWorker
from shared.phone_protocol import AskForCall, EnterDigits, GreetCaller

router = APIRouter(
    prefix="/internal/v1/phone", dependencies=[TrustedWorker], include_in_schema=False
)


@router.post("/greet")
async def greet(request: Request, services: CurrentServices) -> Response:
    """How to greet who calls."""
    caller = parse_json(GreetCaller, await request.body())
    return _json((await front_desk.greet(services, caller)).model_dump_json())


@router.post("/digits")
async def take_digits(request: Request, services: CurrentServices) -> Response:
    """Judge a PIN or a code. The digits are in no answer and in no error."""
    entered = parse_json(EnterDigits, await request.body())
    return _json((await front_desk.take_digits(services, entered)).model_dump_json())


@router.post("/entries/{entry_id}/call")
async def place(entry_id: UUID, request: Request, services: CurrentServices) -> Response:
    """The call that a right PIN has opened the way to."""
    wish = parse_json(AskForCall, await request.body())
    return _json((await front_desk.place(services, entry_id, wish)).model_dump_json())


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
