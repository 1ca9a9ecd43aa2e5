"""What a client may ask for when it starts a call: upstream's request, with limits."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.languages import DEFAULT_LANGUAGE, LANGUAGES

INSTRUCTIONS_CHARS_MAX: Final = 20_000  # about 5,000 tokens, billed by the provider at every turn
SCENE_CHARS_MAX: Final = 5_000
NAME_CHARS_MAX: Final = 128
OUTPUT_TOKENS_MAX: Final = 32_000  # no realtime model answers longer
TEMPERATURE_MAX: Final = 1.2
KNOWN_MODELS: Final = frozenset({"grok-voice-think-fast-1.0", "grok-voice-think-fast-2.0"})

# Upstream's scenes. Their text is the client's, or else the service's: `characters/texts.py`.
SceneId = Literal[
    "bartender-after-closing",
    "forbidden-colleague",
    "off-limits-roommate",
    "best-friends-crossing-a-line",
    "power-play",
    "ex-returning-at-midnight",
    "comfort-after-a-hard-day",
]


def _known_language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(sorted(LANGUAGES))}")
    return code


CallLanguage = Annotated[str, AfterValidator(_known_language)]


class _Body(BaseModel):
    """Nothing is converted (`"1"` is no number); unknown keys are ignored, as upstream does."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="ignore", frozen=True)


class SessionConfig(_Body):
    max_output_tokens: Annotated[int, Field(ge=1, le=OUTPUT_TOKENS_MAX)] | None
    model: Annotated[str, Field(max_length=NAME_CHARS_MAX)]
    temperature: Annotated[float, Field(ge=0, le=TEMPERATURE_MAX, allow_inf_nan=False)]
    voice: Annotated[str, Field(max_length=NAME_CHARS_MAX)]


class CallRequest(_Body):
    """POST /api/call-token. `memory` None: what the account has set; see `memories/choosing.py`."""

    instructions: Annotated[str, Field(max_length=INSTRUCTIONS_CHARS_MAX)]
    language: CallLanguage = DEFAULT_LANGUAGE
    memory: bool | None = None
    scene_instructions: Annotated[str, Field(max_length=SCENE_CHARS_MAX)] | None = None
    selected_preset_id: UUID | None
    selected_scene_id: SceneId | None = None
    session_config: SessionConfig

    @property
    def scene(self) -> str:
        """The scene's text without surrounding space; empty for none."""
        return (self.scene_instructions or "").strip()


def model_for(asked: str, *, default: str) -> str:
    """The model of a call: one of upstream's as asked, else the operator's."""
    return asked if asked in KNOWN_MODELS else default
