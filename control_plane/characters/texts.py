"""
The texts of the service: as shipped, or as an operator has reworded them since.

    name                 variant             used for
    default              -, language         instructions of a caller who gave none
    character/<id>       -, language         the prompt of a public character
    scene/<id>           -, language         a scene
    disclosure           language            that this is an AI
    referral             language[-COUNTRY]  help in a crisis

A call keeps the words it started with: they are frozen in its row.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final, get_args

from billing import audit
from control_plane.call_request import SceneId
from control_plane.safety import disclosures, referrals
from control_plane.store import texts as store
from control_plane.store.texts import Text, Version
from shared.db import Tx
from shared.errors import Conflict, Invalid, NotFound

BUNDLED: Final = Path(__file__).parent / "bundled"
SHIPPED_VERSION: Final = 0
CHARS_MAX: Final = 20_000  # as of instructions: about 5,000 tokens
HISTORY_MAX: Final = 200
DEFAULT: Final = "default"

PUBLIC_CHARACTERS: Final = {
    "00000000-0000-4000-a000-000000000201": "ramona",
    "00000000-0000-4000-a000-000000000202": "lily",
    "00000000-0000-4000-a000-000000000203": "milo",
    "00000000-0000-4000-a000-000000000204": "rafal",
}
SCENE_IDS: Final[tuple[str, ...]] = get_args(SceneId)


class TextNotFound(NotFound):
    """There is no such text"""

    code = "text_not_found"


class NothingChanged(Conflict):
    """These are its words already"""

    code = "nothing_changed"


@cache
def shipped() -> dict[tuple[str, str], str]:
    """All texts as shipped, by name and variant."""
    found = {(DEFAULT, ""): _read("default")}
    for character_id, name in PUBLIC_CHARACTERS.items():
        found[f"character/{character_id}", ""] = _read(f"character/{name}")
    for scene_id in SCENE_IDS:
        found[f"scene/{scene_id}", ""] = _read(f"scene/{scene_id}")
    for language, sentence in disclosures.DISCLOSURES.items():
        found[disclosures.NAME, language] = sentence
    for language, sentence in referrals.REFERRALS.items():
        found[referrals.NAME, language] = sentence
    return found


def _read(name: str) -> str:
    """Line breaks of a file are for its editor."""
    return " ".join((BUNDLED / f"{name}.md").read_text(encoding="utf-8").split())


async def find(tx: Tx, name: str, *variants: str) -> Text | None:
    """The first of these variants that there is."""
    published = {
        one.variant: one for one in await store.newest(tx, names=[name], variants=variants)
    }
    for variant in variants:
        if variant in published:
            return published[variant]
        if (name, variant) in shipped():
            return Text(name, variant, SHIPPED_VERSION, shipped()[name, variant])
    return None


async def get(tx: Tx, name: str, *variants: str) -> Text:
    """Raises TextNotFound."""
    words = await find(tx, name, *variants)
    if words is None:
        raise TextNotFound
    return words


async def disclosure_in(tx: Tx, language: str) -> str:
    return (await get(tx, disclosures.NAME, language)).body


async def referral_in(tx: Tx, language: str, *, country: str | None) -> str:
    """By the words for the language in this country, then for the language."""
    variants = [f"{language}-{country}", language] if country else [language]
    words = await get(tx, referrals.NAME, *variants)
    if words.version == SHIPPED_VERSION:
        return referrals.shipped_referral(language, country)
    return words.body


async def publish(tx: Tx, *, name: str, variant: str, body: str, actor: str, reason: str) -> Text:
    """Reword a text; new calls have it at once. Raises Invalid, TextNotFound or NothingChanged."""
    body = body.strip()
    _check(name, variant, body)
    return await _put(tx, name, variant, body, restores=None, actor=actor, reason=reason)


async def rollback(
    tx: Tx, *, name: str, variant: str, version: int, actor: str, reason: str
) -> Text:
    """The words of an earlier version again; 0 is as shipped. Raises as `publish`."""
    if version == SHIPPED_VERSION:
        body = shipped().get((name, variant))
    else:
        body = await store.body_of(tx, name=name, variant=variant, version=version)
    if body is None:
        raise TextNotFound(f"There is no version {version} of this text")
    return await _put(tx, name, variant, body, restores=version, actor=actor, reason=reason)


async def history(tx: Tx, *, name: str, variant: str) -> list[Version]:
    """What was published, the newest first."""
    return await store.history(tx, name=name, variant=variant, limit=HISTORY_MAX)


async def _put(
    tx: Tx, name: str, variant: str, body: str, *, restores: int | None, actor: str, reason: str
) -> Text:
    """The audit log says that it was done; the words stand in the table."""
    reason = audit.checked_reason(reason)
    now = await find(tx, name, variant)
    if now is not None and now.body == body:
        raise NothingChanged
    version = await store.publish(
        tx, name=name, variant=variant, body=body, restores=restores, actor=actor, reason=reason
    )
    await audit.record(
        tx,
        actor=actor,
        action="publish_text",
        user_id=None,
        reason=reason,
        details={"name": name, "variant": variant, "version": version},
    )
    return Text(name, variant, version, body)


def _check(name: str, variant: str, body: str) -> None:
    if not any(known == name for known, _ in shipped()):
        raise TextNotFound
    language, _, country = variant.partition("-")
    if language and language not in disclosures.DISCLOSURES:
        raise Invalid("The variant is a language of calls")
    if country and not (name == referrals.NAME and re.fullmatch("[A-Z]{2}", country)):
        raise Invalid("Only referrals differ by country, as in de-AT")
    if not 0 < len(body) <= CHARS_MAX or "\x00" in body:
        raise Invalid(f"A text has 1 to {CHARS_MAX:,} characters")
    if name == disclosures.NAME:
        disclosures.check_disclosure(body, language=variant)
    if name == referrals.NAME and not (language and disclosures.is_one_line(body)):
        raise Invalid("A referral is one line in one language, without quotes")
