"""POST /api/generate-text: a text with marks of emotion, as plain text while it is written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import errors
from control_plane.routes.attendance import ClosingStream, attended
from control_plane.routes.json_body import read_json
from control_plane.services import CurrentServices
from control_plane.speech.errors import TextTooLong
from control_plane.speech.writing_help import instructions_for
from shared.errors import AppError, Invalid
from shared.log import get_logger

router = APIRouter(tags=["speech"])
log = get_logger(__name__)

PROMPT_CHARS_MAX: Final = 1_000


class TextRequest(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    prompt: str | None = None
    selectedVoiceLanguage: Annotated[str | None, Field(max_length=35)] = None  # noqa: N815 - upstream's
    ttsProvider: Annotated[str | None, Field(max_length=64)] = None  # noqa: N815 - upstream's name
    voiceModel: Annotated[str | None, Field(max_length=128)] = None  # noqa: N815 - upstream's name


@router.post(
    "/api/generate-text",
    dependencies=[limited("text")],
    openapi_extra=body_of(TextRequest),
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **errors(400, 401, 413, 429, 503),
    },
)
async def generate_text(request: Request, services: CurrentServices) -> Response:
    """Help with a text that is to be spoken."""
    wanted = await read_json(request, TextRequest, required=())
    prompt = (wanted.prompt or "").strip()
    if not prompt:
        raise Invalid("Text is required")
    if len(prompt) > PROMPT_CHARS_MAX:
        raise TextTooLong(PROMPT_CHARS_MAX)
    instructions = instructions_for(
        language=wanted.selectedVoiceLanguage or "en", voice_model=wanted.voiceModel
    )
    pieces = services.writing_help.write(prompt, instructions=instructions)
    first = await attended(request, anext(pieces, ""))
    return ClosingStream(_written(first, pieces), media_type="text/plain; charset=utf-8")


async def _written(first: str, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """What was written so far stands when the model fails in the middle."""
    async with aclosing(pieces):
        yield first
        try:
            async for piece in pieces:
                yield piece
        except AppError as error:
            log.warning("writing_help_broke_off", code=error.code)
