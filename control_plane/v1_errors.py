"""
Errors as programs read them: upstream's /api/v1/* and OpenAI's /v1/* have the same four keys.

    {"error": {"message", "type", "param", "code"}}

Which form an answer has follows from its path alone (`http_errors.py` asks here), so a route raises
the same error wherever it lives. `param` names the wrong field of the request, or is null.
"""

from typing import Any, Final

from pydantic import BaseModel

PROGRAM_PATHS: Final = ("/api/v1/", "/v1/")

# The words of the answer; a status that is not listed is the request's own fault or ours.
_TYPE_OF_STATUS: Final = {
    401: "authentication_error",
    402: "permission_error",  # upstream's: what is missing is a right to spend
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_SERVER_ERROR_STATUS: Final = 500

# Codes that upstream's clients know by another name.
_CODE_OF: Final = {"internal_error": "server_error", "unauthenticated": "invalid_api_key"}


class ProgramError(BaseModel):
    message: str
    type: str
    param: str | None
    code: str


class ProgramErrorBody(BaseModel):
    """The body of every error to a program, for OpenAPI."""

    error: ProgramError


def is_for_programs(path: str) -> bool:
    """Whether `path` is answered in this form."""
    return path.startswith(PROGRAM_PATHS)


def program_error_body(
    status: int, text: str, *, code: str, param: str | None = None
) -> dict[str, Any]:
    """One error in the programs' form."""
    error = {
        "message": text,
        "type": _type_of(status),
        "param": param,
        "code": _CODE_OF.get(code, code),
    }
    return {"error": error}


def program_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the error statuses of a route for programs."""
    return {status: {"model": ProgramErrorBody} for status in statuses}


def _type_of(status: int) -> str:
    if status >= _SERVER_ERROR_STATUS:
        return "server_error"
    return _TYPE_OF_STATUS.get(status, "invalid_request_error")
