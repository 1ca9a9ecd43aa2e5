"""Bodies of upstream's speech routes, refused in its words and in its order."""

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from control_plane.http_errors import parse_json
from control_plane.speech.errors import TextMissing
from shared.errors import Invalid

Body = TypeVar("Body", bound=BaseModel)


async def read_json(request: Request, model: type[Body], *, required: tuple[str, ...]) -> Body:
    """
    The body as `model`. Raises Invalid: empty, no JSON, `required` missing, or a wrong type.

    `required` fields are optional in the model, and must be texts that are not empty here.
    """
    body = await request.body()
    if not body.strip() or body.strip() == b"null":
        raise Invalid("Request body is empty")
    parsed = parse_json(model, body)
    if not all(getattr(parsed, name) for name in required):
        raise TextMissing
    return parsed
