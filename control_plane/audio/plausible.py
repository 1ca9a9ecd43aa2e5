"""
Whether what a provider sent can be the text that somebody pays for.

The limits are wide on purpose: they must let pass every honest voice in every language, and catch
silence, answers cut off after a word, and models that never stop talking.
"""

from typing import Final

from control_plane.audio.port import AudioFacts

SILENT: Final = "silent"
TOO_SHORT: Final = "too_short"
TOO_LONG: Final = "too_long"

# The shortest word ("I", a click of the tongue) has 80 ms or more.
VOICED_MS_MIN: Final = 60
# Fast English has 25 characters a second, pauses not counted 30; a text is also made of line
# breaks, brackets and dots that nobody speaks. Written with an alphabet nothing is faster.
CHARACTERS_PER_VOICED_S_MAX: Final = 60.0
# A question mark alone may become a hum: so many characters prove nothing.
CHARACTERS_FREE: Final = 12
# Chinese has 3 to 6 characters a second, slow 2. Read in full, "77" has a second and an emoji up to
# 1.5; with breath and laughter between, a second for every character is more than anybody takes.
MS_PER_CHARACTER_MAX: Final = 1_000.0
# The silence and the sigh that voices put at both ends, however short the text is.
FLOOR_MS: Final = 8_000.0


def verdict(facts: AudioFacts, *, characters: int, speed: float = 1.0) -> str | None:
    """None for speech that may be those `characters` at `speed`; else one of the codes above."""
    if facts.voiced_ms < VOICED_MS_MIN:
        return SILENT
    spoken = max(0, characters - CHARACTERS_FREE)
    if facts.voiced_ms < spoken * 1000 / (CHARACTERS_PER_VOICED_S_MAX * speed):
        return TOO_SHORT
    if facts.duration_ms > FLOOR_MS + characters * MS_PER_CHARACTER_MAX / speed:
        return TOO_LONG
    return None
