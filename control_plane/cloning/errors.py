"""
What cloning refuses, and upstream's form of every error of POST /api/clone-voice:

    {"code": "errors.fileTooLarge", "details": {...}, "error": "<text> (413)",
     "serverMessage": "<text>", "status": 413}

The code is what upstream's clients translate; the text is for people who read logs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from shared.errors import Conflict, Invalid, NotFound, Refused, Unavailable

CLONE_PATH: Final = "/api/clone-voice"
INTERNAL: Final = "errors.internalError"

Details = Mapping[str, bool | int | float | str | None]


class CloneRefusal(Refused):
    """This recording cannot be cloned"""

    # `code` is upstream's and `status` belongs to it; `details` are the values of its text.
    def __init__(self, code: str, message: str, *, status: int = 400, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.details: Details = details


class ConsentNotFound(NotFound):
    """Consent not found"""

    code = "consent_not_found"


class ConsentEnded(Conflict):
    """This consent was not finished in time or was tried too often; please begin again"""

    code = "consent_ended"


class ConsentGiven(Conflict):
    """This consent has its recording already"""

    code = "consent_given"


class TooManyConsents(Conflict):
    """Too many consents were begun; please finish one of them or wait a little"""

    code = "too_many_consents"


class PhraseNotHeard(Invalid):
    """The phrase was not recognised; please read it aloud again, clearly and in a quiet place"""

    code = "phrase_not_heard"


class RecordingRefused(Invalid):
    """The recording cannot be used"""

    code = "recording_refused"


class NoRecognition(Unavailable):
    """Consents cannot be recorded now, because no speech recognition answers"""

    code = "recognition_unavailable"


class TooManyUploads(Unavailable):
    """Too many recordings are being uploaded, please retry"""

    code = "too_many_uploads"


class CloneErrorBody(BaseModel):
    """The body of every error of POST /api/clone-voice, for OpenAPI."""

    code: str
    details: dict[str, bool | int | float | str | None] | None
    error: str
    serverMessage: str  # noqa: N815 - upstream's name
    status: int


# Ours to upstream's, where upstream has a word for it; other codes keep their own after the dot.
_CODE_OF: Final = MappingProxyType(
    {
        "unauthenticated": "errors.userNotFound",
        "insufficient_credits": "errors.insufficientCredits",
        "content_policy_violation": "errors.guardrailViolation",
        "provider_unavailable": "errors.providerUnavailable",
        "provider_quota_exceeded": "errors.providerUnavailable",
        "provider_error": "errors.providerUnavailable",
        "no_audio": "errors.providerUnavailable",
        "input_too_long": "errors.textTooLong",
        "body_too_large": "errors.fileTooLarge",
        "internal_error": INTERNAL,
    }
)


def clone_error_body(
    status: int, text: str, *, code: str, details: Details | str | None = None
) -> dict[str, Any]:
    """One error in upstream's form; on a bug `error` has no status behind it, as upstream."""
    if isinstance(details, str):
        details = {"reason": details}
    code = _CODE_OF.get(code) or (code if code.startswith("errors.") else f"errors.{_camel(code)}")
    return {
        "code": code,
        "details": dict(details) if details else None,
        "error": text if code == INTERNAL else f"{text} ({status})",
        "serverMessage": text,
        "status": status,
    }


def _camel(code: str) -> str:
    first, *rest = code.split("_")
    return first + "".join(word.capitalize() for word in rest)
