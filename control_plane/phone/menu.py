"""What a caller may choose on the keypad: a character and a language."""

from dataclasses import dataclass
from typing import Any, Final

from control_plane.safety.ages import age_of
from control_plane.store import characters
from control_plane.store.characters import Character
from shared.db import Tx
from shared.ids import UserId
from shared.phone_protocol import CHARACTERS_MAX

# All call languages, in the order of their keys: who needs another than the usual one listens long.
SPOKEN: Final = tuple("en es fr de it pt nl pl ru tr ar hi zh ja ko sv no da fi cs".split())
VOICE: Final = "Ara"
TEMPERATURE: Final = 0.8
INSTRUCTIONS: Final = (
    "You talk to somebody on the telephone. Answer in one to three short sentences. "
    "They cannot see anything: spell out numbers, and never speak of screens or links."
)


@dataclass(frozen=True, slots=True)
class Menu:
    """Both in the order of the keys; the first is what is usual."""

    characters: tuple[Character, ...]
    languages: tuple[str, ...]


async def menu_of(tx: Tx, user_id: UserId, *, language: str) -> Menu:
    """The caller's own language comes first."""
    # Nobody can confirm an age on the keypad.
    is_adult = (await age_of(tx, user_id)).is_adult is True
    offered = await characters.list_for(
        tx, owner=user_id, limit=CHARACTERS_MAX, with_adult=is_adult
    )
    others = [code for code in SPOKEN if code != language]
    return Menu(tuple(offered), (language, *others))


def body_of_call(character: Character | None, *, language: str) -> dict[str, Any]:
    """The body of POST /api/call-token that says the same as the caller's keys."""
    if character is None:
        return {
            "instructions": INSTRUCTIONS,
            "language": language,
            "selectedPresetId": None,
            "sessionConfig": {
                "model": "",
                "voice": VOICE,
                "temperature": TEMPERATURE,
                "maxOutputTokens": None,
            },
        }
    config = character.session_config
    return {
        "instructions": "",
        "language": language,
        "selectedPresetId": str(character.id),
        "sessionConfig": {
            "model": config.get("model") or "",
            "voice": character.voice_name,
            "temperature": config.get("temperature", TEMPERATURE),
            "maxOutputTokens": config.get("maxOutputTokens"),
        },
    }
