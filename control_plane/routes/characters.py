"""
/api/characters and /api/scenes: whom a caller may talk to.

A public character's prompt is in no answer; one's own is.
"""

from typing import Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from control_plane.call_request import CallLanguage
from control_plane.characters import own, texts
from control_plane.characters.casting import ADULT_SCENES
from control_plane.errors import CharacterNotFound
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.safety.ages import age_of
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import characters
from control_plane.store.characters import Character
from shared.db import transaction
from shared.errors import Invalid
from shared.languages import DEFAULT_LANGUAGE

router = APIRouter(tags=["characters"])

LISTED_MAX: Final = 1_000  # everybody's and one's own; plans end far below
CREATED: Final = 201

Body = TypeVar("Body", bound=BaseModel)


class CharacterVoice(BaseModel):
    name: str
    sample_url: str | None


class CharacterPrompt(BaseModel):
    prompt: str
    localized_prompts: dict[str, str]


class CharacterView(BaseModel):
    """Upstream's row in its spelling. `prompts` is null for everybody's characters."""

    id: UUID
    name: str
    localized_descriptions: dict[str, str]
    image: str | None
    session_config: dict[str, Any]
    sort_order: int
    is_public: bool
    is_adult: bool
    voice_id: UUID
    voices: CharacterVoice
    prompt_id: UUID
    prompts: CharacterPrompt | None


class Characters(Answer):
    data: list[CharacterView]


class Deleted(Answer):
    success: bool


class SceneView(Answer):
    id: str
    text: str
    is_adult: bool


class Scenes(Answer):
    data: list[SceneView]


def view_of(character: Character) -> CharacterView:
    return CharacterView(
        id=character.id,
        name=character.name,
        localized_descriptions=character.localized_descriptions,
        image=character.image,
        session_config=character.session_config,
        sort_order=character.sort_order,
        is_public=character.is_public,
        is_adult=character.is_adult,
        voice_id=character.voice_id,
        voices=CharacterVoice(name=character.voice_name, sample_url=character.sample_url),
        prompt_id=character.prompt_id,
        prompts=None
        if character.is_public
        else CharacterPrompt(
            prompt=character.prompt or "", localized_prompts=character.localized_prompts or {}
        ),
    )


@router.get("/api/characters", responses=errors(401, 503))
async def list_characters(services: CurrentServices, user_id: SignedIn) -> Characters:
    """Everybody's characters, then one's own; in minors' mode none for adults."""
    async with transaction(services.pool) as tx:
        is_minor = (await age_of(tx, user_id)).is_minor
        found = await characters.list_for(
            tx, owner=user_id, limit=LISTED_MAX, with_adult=not is_minor
        )
    return Characters(data=[view_of(one) for one in found])


@router.get("/api/characters/{character_id}", responses=errors(401, 404, 503))
async def get_character(
    character_id: UUID, services: CurrentServices, user_id: SignedIn
) -> CharacterView:
    """One of everybody's, or one's own."""
    async with transaction(services.pool) as tx:
        found = await characters.find(tx, character_id, owner=user_id)
        age = await age_of(tx, user_id)
    if found is None or (found.is_adult and age.is_minor):
        raise CharacterNotFound
    return view_of(found)


@router.post(
    "/api/characters",
    openapi_extra=body_of(own.CharacterWish),
    responses={
        **errors(400, 401, 403, 404, 413, 429, 503),
        200: {"model": CharacterView},
        CREATED: {"model": CharacterView},
    },
    dependencies=[limited("call_token")],
)
async def put_character(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> JSONResponse:
    """Make a character (201), or with an `id` change one's own (200)."""
    body = await request.body()
    async with transaction(services.pool) as tx:
        limit = await own.must_have_own(tx, user_id)
        wish = _read(own.CharacterWish, body)
        made = await own.put(
            tx,
            wish,
            owner=user_id,
            limit=limit,
            default_model=services.settings.call_default_model,
        )
    status = 200 if wish.id else CREATED
    return JSONResponse(view_of(made).model_dump(mode="json"), status)


@router.delete(
    "/api/characters",
    openapi_extra=body_of(own.CharacterToDelete),
    responses=errors(400, 401, 403, 404, 413, 503),
)
async def delete_character(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> Deleted:
    """Delete one's own character with its prompt."""
    wish = _read(own.CharacterToDelete, await request.body())
    async with transaction(services.pool) as tx:
        await own.delete(tx, wish.id, owner=user_id)
    return Deleted(success=True)


@router.get("/api/scenes", responses=errors(400, 401, 503))
async def list_scenes(
    services: CurrentServices, user_id: SignedIn, language: CallLanguage = DEFAULT_LANGUAGE
) -> Scenes:
    """The service's scenes, translated where somebody has; in minors' mode none for adults."""
    async with transaction(services.pool) as tx:
        is_minor = (await age_of(tx, user_id)).is_minor
        offered = [one for one in texts.SCENE_IDS if not (is_minor and one in ADULT_SCENES)]
        words = [await texts.get(tx, f"scene/{one}", language, "") for one in offered]
    return Scenes(
        data=[
            SceneView(id=one, text=text.body, is_adult=one in ADULT_SCENES)
            for one, text in zip(offered, words, strict=True)
        ]
    )


def _read(model: type[Body], body: bytes) -> Body:
    """Upstream answers with the first issue, and with nothing else."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        issue = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if issue["type"] == "json_invalid":
            raise Invalid("Invalid JSON in request body") from None
        # The names of our fields, not the keys that somebody chose.
        known = issue["loc"][: 1 if str(issue["loc"][:1]).count("localized") else 3]
        field = ".".join(str(part) for part in known) or "body"
        raise Invalid(f"{field}: {issue['msg']}", param=field.partition(".")[0]) from None
