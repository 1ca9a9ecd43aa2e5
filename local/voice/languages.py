"""Which language to speak: nothing in the protocols says it, so names and scripts have to. Pure."""

import re

ENGLISH = "en-us"

# Language codes as models and people write them, their English names, and espeak's code.
_LANGUAGES = (
    ("ar", "Arabic", "ar"),
    ("cs", "Czech", "cs"),
    ("da", "Danish", "da"),
    ("de", "German", "de"),
    ("el", "Greek", "el"),
    ("en", "English", ENGLISH),
    ("es", "Spanish", "es"),
    ("fi", "Finnish", "fi"),
    ("fr", "French", "fr-fr"),
    ("hi", "Hindi", "hi"),
    ("hu", "Hungarian", "hu"),
    ("id", "Indonesian", "id"),
    ("it", "Italian", "it"),
    ("ja", "Japanese", "ja"),
    ("ko", "Korean", "ko"),
    ("nl", "Dutch", "nl"),
    ("no", "Norwegian", "nb"),
    ("pl", "Polish", "pl"),
    ("pt", "Portuguese", "pt"),
    ("ro", "Romanian", "ro"),
    ("ru", "Russian", "ru"),
    ("sv", "Swedish", "sv"),
    ("tr", "Turkish", "tr"),
    ("uk", "Ukrainian", "uk"),
    ("vi", "Vietnamese", "vi"),
    ("zh", "Chinese", "cmn"),
)
_BY_CODE = {code: espeak for code, _name, espeak in _LANGUAGES}
_BY_NAME = {name: espeak for _code, name, espeak in _LANGUAGES}
_NAMED = re.compile(rf"\bin ({'|'.join(_BY_NAME)})\b")

# An English voice spells these out letter by letter. Kana comes before Han: Japanese has both.
_SCRIPTS = (
    (re.compile(r"[\u3040-\u30ff]"), "ja"),
    (re.compile(r"[\uac00-\ud7af]"), "ko"),
    (re.compile(r"[\u4e00-\u9fff]"), "cmn"),
    (re.compile(r"[\u0400-\u04ff]"), "ru"),
    (re.compile(r"[\u0900-\u097f]"), "hi"),
    (re.compile(r"[\u0600-\u06ff]"), "ar"),
    (re.compile(r"[\u0370-\u03ff]"), "el"),
)


def language_of_model(model: str) -> str:
    """The language that a model name ends in, "local-voice-de", else English."""
    suffix = model.replace(":", "-").rpartition("-")[2].lower()
    return _BY_CODE.get(suffix, ENGLISH)


def language_named(instructions: str) -> str | None:
    """The language of "Greet the caller in German"."""
    named = _NAMED.search(instructions)
    return _BY_NAME[named[1]] if named else None


def language_of_script(text: str) -> str | None:
    """The language of a script that English is not written in."""
    return next((language for script, language in _SCRIPTS if script.search(text)), None)
