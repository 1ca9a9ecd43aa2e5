"""What an order must fulfil before anything is looked up, held or made. Pure."""

from typing import Final

from control_plane.speech.errors import TextMissing, TextTooLong
from control_plane.tts.catalog import SpeechModel

SPEED_MIN: Final = 0.7
SPEED_MAX: Final = 1.5
TEMPERATURE_MAX: Final = 2.0
SEED_MAX: Final = 2**53 - 1  # what JavaScript calls a safe integer


def check_text(model: SpeechModel, text: str, *, is_paid: bool, why: str = "") -> None:
    """Raises TextMissing or TextTooLong. Lengths are in Unicode characters."""
    if not text.strip():
        raise TextMissing
    limit = model.chars_max(is_paid=is_paid)
    if len(text) > limit:
        raise TextTooLong(limit, why=why)


def checked_style(model: SpeechModel, style: str | None, *, is_paid: bool) -> str | None:
    """The style, None where the model knows none. Raises TextTooLong."""
    limit = model.style_chars_max(is_paid=is_paid)
    if style is None or not style.strip() or limit == 0:
        return None
    if len(style) > limit:
        raise TextTooLong(limit, what="Style")
    return style


def clamped(value: float | None, low: float, high: float) -> float | None:
    """Upstream's way with a dial that is turned too far."""
    return None if value is None else min(max(value, low), high)
