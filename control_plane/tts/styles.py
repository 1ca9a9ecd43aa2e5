"""How a style is told to a model that reads it as part of the text. Pure."""

from typing import Final

NOTES_MODELS: Final = "gemini-3"  # these take a director's notes apart from what is read aloud
PREFIX_MODELS: Final = "gemini-2.5"  # these take it before a colon


def spoken_text(provider_model: str, text: str, style: str | None) -> str:
    """What is sent as the text. Models without a written style get the text alone."""
    if style is None or not style.strip():
        return text
    if provider_model.startswith(NOTES_MODELS):
        return f"### DIRECTOR'S NOTES\nStyle: {style.strip()}\n\n## TRANSCRIPT\n{text}"
    if provider_model.startswith(PREFIX_MODELS):
        return f"{style.strip()}: {text}"
    return text
