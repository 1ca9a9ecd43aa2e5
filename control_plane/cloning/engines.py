"""
Which model clones a voice in which language, and its rules. Pure.

The rules of a locale are upstream's, also where another engine does the work because its usual one
is not offered here: a client that keeps to them is served by any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from control_plane.cloning.errors import CloneRefusal

VOXTRAL: Final = "voxtral"
CHATTERBOX: Final = "chatterbox-multilingual"
LOCAL: Final = "local-clone"  # the honest demo: pitch and pace, no more

VOXTRAL_LOCALES: Final = frozenset("ar de en es fr hi it nl pt".split())
CHATTERBOX_LOCALES: Final = frozenset("da el en-multi fi he ja ko ms no pl ru sv sw tr zh".split())
LOCALES: Final = tuple(sorted(VOXTRAL_LOCALES | CHATTERBOX_LOCALES))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneRules:
    """Seconds of the recording, and UTF-16 units of the text, as upstream's clients count."""

    chars_free: int
    chars_paid: int
    min_s: float
    trim_s: float
    too_short_code: str
    models: tuple[str, ...]  # the first that is offered is taken

    def chars_max(self, *, is_paid: bool) -> int:
        return self.chars_paid if is_paid else self.chars_free


_VOXTRAL_RULES: Final = CloneRules(
    chars_free=1_000,
    chars_paid=4_000,
    min_s=3,
    trim_s=25,
    too_short_code="errors.audioDurationInvalidVoxtral",
    models=(VOXTRAL, LOCAL),
)
_CHATTERBOX_RULES: Final = CloneRules(
    chars_free=300,
    chars_paid=300,
    min_s=10,
    trim_s=10,
    too_short_code="errors.audioDurationInvalidFallback",
    models=(CHATTERBOX, LOCAL),
)


def rules_of(locale: str) -> CloneRules:
    """Raises CloneRefusal for a locale nobody can clone in."""
    if locale in VOXTRAL_LOCALES:
        return _VOXTRAL_RULES
    if locale in CHATTERBOX_LOCALES:
        return _CHATTERBOX_RULES
    raise CloneRefusal(
        "errors.unsupportedLocale",
        f"Voices cannot be cloned in this language. Supported languages: {', '.join(LOCALES)}",
        locale=locale[:35],
    )


def language_of(locale: str) -> str:
    """What the engine is told: "en-multi" is English by the multilingual engine."""
    return locale.removesuffix("-multi")


def engine_for(rules: CloneRules, is_offered: Callable[[str], bool]) -> str:
    """The model that does it here. Raises CloneRefusal when none is offered."""
    for model in rules.models:
        if is_offered(model):
            return model
    raise CloneRefusal(
        "errors.providerUnavailable",
        "Cloning is not offered in this language here",
        status=503,
        provider=rules.models[0],
    )


def length_utf16(text: str) -> int:
    """As JavaScript's `text.length`: an emoji counts 2."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
