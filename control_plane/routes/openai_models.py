"""GET /v1/models and /v1/models/{model}: the models as OpenAI's clients list them."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from control_plane.callers import KeyHolder
from control_plane.limits.doors import limited
from control_plane.openai_names import ALIASES, model_called, offered_models
from control_plane.services import CurrentServices
from control_plane.v1_errors import program_errors

router = APIRouter(tags=["openai"], dependencies=[limited("v1")])

CREATED: Final = 1_767_225_600  # 2026-01-01; clients want a number and mean nothing by it
OWNER: Final = "sexycall"


class OpenAiModel(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = CREATED
    owned_by: str = OWNER


class OpenAiModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[OpenAiModel]


@router.get("/v1/models", responses=program_errors(401, 403, 429, 503))
async def list_models(services: CurrentServices, _caller: KeyHolder) -> OpenAiModels:
    """Ours, and the names of OpenAI's that stand for one of them."""
    names = [model.id for model in offered_models(services.studio)]
    return OpenAiModels(
        data=[OpenAiModel(id=name) for name in (*names, *(ALIASES if names else ()))]
    )


@router.get("/v1/models/{model}", responses=program_errors(401, 403, 404, 429, 503))
async def get_model(
    model: Annotated[str, Path(max_length=200)], services: CurrentServices, _caller: KeyHolder
) -> OpenAiModel:
    """One of the list."""
    model_called(model, services.studio, services.settings)
    return OpenAiModel(id=model)
