"""People's own characters: making, changing and deleting them, by upstream's contract."""

import unicodedata
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from billing.features import features_of
from control_plane.call_request import (
    NAME_CHARS_MAX,
    OUTPUT_TOKENS_MAX,
    TEMPERATURE_MAX,
    model_for,
)
from control_plane.errors import CharacterNotFound, PaidOnly
from control_plane.safety import ages
from control_plane.store import accounts, characters, voices
from control_plane.store.characters import Character, Draft
from shared.db import Tx
from shared.errors import Forbidden, Invalid
from shared.ids import new_uuid

PROMPT_CHARS_MAX: Final = 5_000
DESCRIPTION_CHARS_MAX: Final = 500
LOCALIZED_MAX: Final = 40  # twice the languages of calls
TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LANGUAGE_CODE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$"


class PredefinedCharacter(Forbidden):
    """Predefined characters belong to everybody"""

    code = "predefined_character"


class VoiceGone(Invalid):
    """Voice no longer available"""

    code = "voice_gone"


class TooManyCharacters(Invalid):
    """The plan's characters are all there"""

    code = "too_many_characters"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Maximum of {limit} custom characters reached")


def _no_nul(words: str) -> str:
    if "\x00" in words:
        raise ValueError("must not contain a NUL character")
    return words


def _no_controls(name: str) -> str:
    """It is shown, spoken and listed: no line breaks, nothing that turns other words around."""
    if any(unicodedata.category(char) == "Cc" or char in TURNING for char in name):
        raise ValueError("must not contain control characters")
    return name


_Language = Annotated[str, StringConstraints(pattern=LANGUAGE_CODE)]
_Prompt = Annotated[str, Field(max_length=PROMPT_CHARS_MAX), AfterValidator(_no_nul)]
_Description = Annotated[str, Field(max_length=DESCRIPTION_CHARS_MAX), AfterValidator(_no_nul)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)


class WishedConfig(_Body):
    max_output_tokens: Annotated[int, Field(ge=1, le=OUTPUT_TOKENS_MAX)] | None
    model: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
    temperature: Annotated[float, Field(ge=0, le=TEMPERATURE_MAX, allow_inf_nan=False)]
    voice: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]


class CharacterWish(_Body):
    """POST /api/characters. Without `id` a new one. `isAdult` is ours, and may be left out."""

    id: UUID | None = None
    name: Annotated[_Name, AfterValidator(_no_controls)]
    prompt: _Prompt
    voice_name: Annotated[
        str, Field(min_length=1, max_length=NAME_CHARS_MAX), AfterValidator(_no_nul)
    ]
    localized_descriptions: Annotated[
        dict[_Language, _Description], Field(max_length=LOCALIZED_MAX)
    ] = {}
    localized_prompts: Annotated[dict[_Language, _Prompt], Field(max_length=LOCALIZED_MAX)] = {}
    session_config: WishedConfig
    is_adult: bool = False


class CharacterToDelete(_Body):
    id: UUID


async def must_have_own(tx: Tx, user_id: UUID) -> int:
    """How many own characters the plan has. Raises PaidOnly for none."""
    limit = (await features_of(tx, user_id)).custom_characters
    if limit == 0:
        raise PaidOnly("Custom characters require a paid account")
    return limit


async def put(
    tx: Tx, wish: CharacterWish, *, owner: UUID, limit: int, default_model: str
) -> Character:
    """
    Make the character, or change one's own.

    Raises PredefinedCharacter, CharacterNotFound, AgeNeeded, AdultsOnly, VoiceGone or
    TooManyCharacters.
    """
    if wish.id is not None:
        await _must_be_own(tx, wish.id, owner=owner)
    if wish.is_adult:
        (await ages.age_of(tx, owner)).must_be_adult()
    draft = await _draft(tx, wish, owner=owner, default_model=default_model)
    character_id = wish.id or new_uuid()
    if wish.id is None:
        await accounts.lock(tx, owner)  # two requests at once cannot both be the last one allowed
        count = await characters.count(tx, owner)
        if count >= limit:
            raise TooManyCharacters(limit)
        await characters.insert(
            tx,
            character_id=character_id,
            prompt_id=new_uuid(),
            owner=owner,
            sort_order=count,
            draft=draft,
        )
    elif not await characters.update(tx, character_id=wish.id, owner=owner, draft=draft):
        raise CharacterNotFound  # deleted since we looked
    made = await characters.find(tx, character_id, owner=owner)
    assert made is not None, "written in this transaction"
    return made


async def delete(tx: Tx, character_id: UUID, *, owner: UUID) -> None:
    """With its prompt. Raises PredefinedCharacter or CharacterNotFound."""
    await _must_be_own(tx, character_id, owner=owner, words="Cannot delete predefined characters")
    if not await characters.delete(tx, character_id=character_id, owner=owner):
        raise CharacterNotFound


async def _must_be_own(
    tx: Tx, character_id: UUID, *, owner: UUID, words: str = "Cannot edit predefined characters"
) -> None:
    known = await characters.find(tx, character_id, owner=owner)
    if known is None:
        raise CharacterNotFound
    if known.is_public:
        raise PredefinedCharacter(words)


async def _draft(tx: Tx, wish: CharacterWish, *, owner: UUID, default_model: str) -> Draft:
    voice = await voices.find_call_voice(tx, name=wish.voice_name, owner=owner)
    if voice is None:
        raise VoiceGone
    wanted = wish.session_config
    config: dict[str, Any] = {
        "model": model_for(wanted.model, default=default_model),
        "voice": wish.voice_name,
        "temperature": wanted.temperature,
        "maxOutputTokens": wanted.max_output_tokens,
    }
    return Draft(
        voice_id=voice.id,
        name=wish.name,
        localized_descriptions=dict(wish.localized_descriptions),
        session_config=config,
        is_adult=wish.is_adult,
        prompt=wish.prompt,
        localized_prompts=dict(wish.localized_prompts),
    )
