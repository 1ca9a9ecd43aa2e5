"""
Errors as upstream clients read them, and the status that belongs to each error code.

    {"error", "message": "<error> (<status>)", "status", "serverMessage", "retryAfter", "code", ...}

Programs (/api/v1/*, /v1/*) get another body for the same errors, see `v1_errors.py`.
What is expected trouble (the database is away) answers 503 and a counter; a bug answers 500 without
details. Texts of drivers and of Python never leave the process.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from billing.errors import AccountFrozen
from control_plane.cloning.errors import CLONE_PATH, CloneRefusal, clone_error_body
from control_plane.errors import CallInProgress, FreeGenerationsUsed, Throttled
from control_plane.v1_errors import is_for_programs, program_error_body
from shared.errors import AppError, Invalid, Unavailable

Body = TypeVar("Body", bound=BaseModel)

# The only way a NUL can come in JSON, told apart from a written-out backslash.
_NUL_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

DETAILS_MAX: Final = 5  # issues named in one answer
DATABASE_RETRY_AFTER_S: Final = 2  # Postgres restarts in a second or two
FROZEN_SQLSTATE: Final = "P0403"  # of 0022: frozen between our look at the account and the insert

# A code that is not listed has the status of its parent class.
STATUS_OF_CODE: Final = {
    "internal_error": 500,
    "refused": 400,
    "invalid_request": 400,
    "body_too_large": 413,
    "body_too_slow": 408,
    "unauthenticated": 401,
    "insufficient_credits": 402,
    "free_limit_reached": 403,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "throttled": 429,
    "idempotency_in_progress": 409,
    "provider_error": 500,
    "provider_quota_exceeded": 429,
    "content_policy_violation": 422,
    "unavailable": 503,
}

# The database is away, restarting or overloaded: nothing is wrong with us or with the request.
DATABASE_AWAY: Final = (
    OSError,  # refused, reset, no such socket; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # the pool is closing, the connection was lost while in use
    asyncpg.InternalClientError,  # killed between two statements: its farewell is unexpected
    asyncpg.OperatorInterventionError,  # shutdown, crash, query cancelled
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.TransactionRollbackError,  # deadlock or serialisation: the same request may succeed
    asyncpg.LockNotAvailableError,
)


class ErrorBody(BaseModel):
    """The body of every error, for OpenAPI."""

    error: str
    message: str
    status: int
    serverMessage: str  # noqa: N815 - upstream's name
    retryAfter: int | None  # noqa: N815 - upstream's name
    code: str
    details: str | None = None


def status_of(error: AppError) -> int:
    """The HTTP status of an error, its own code's or its nearest parent's."""
    if isinstance(error, CloneRefusal):
        return error.status
    for ancestor in type(error).__mro__:
        status = STATUS_OF_CODE.get(getattr(ancestor, "code", ""))
        if status is not None:
            return status
    return 500


def error_response(
    status: int,
    text: str,
    *,
    code: str,
    retry_after_s: int | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "",
    param: str | None = None,
) -> JSONResponse:
    """One error in the form of `path`; `extra` adds keys to upstream's body, not to programs'."""
    sent = dict(headers or {})
    if retry_after_s is not None:
        sent["Retry-After"] = str(retry_after_s)
    if is_for_programs(path):
        told = program_error_body(status, text, code=code, param=param)
        return JSONResponse(told, status_code=status, headers=sent)
    if path == CLONE_PATH:
        details = (extra or {}).get("details")
        told = clone_error_body(status, text, code=code, details=details)
        return JSONResponse(told, status_code=status, headers=sent)
    body = {
        "error": text,
        "message": f"{text} ({status})",
        "status": status,
        "serverMessage": text,
        "retryAfter": retry_after_s,
        "code": code,
        **(extra or {}),
    }
    return JSONResponse(body, status_code=status, headers=sent)


def app_error_response(error: AppError, path: str = "") -> JSONResponse:
    """An error that was raised on purpose, in the form of `path`."""
    extra: dict[str, Any] = {}
    text = error.message
    if isinstance(error, Invalid) and error.details:
        extra["details"] = error.details
        if is_for_programs(path):  # one message is all they get
            text = f"{text}: {error.details}"
    if isinstance(error, CallInProgress):
        extra["callId"] = str(error.call_id)
    if isinstance(error, FreeGenerationsUsed):
        extra["errorCode"] = "gproLimitExceeded"  # all that upstream's body has
    if isinstance(error, CloneRefusal):
        extra["details"] = error.details
    return error_response(
        status_of(error),
        text,
        code=error.code,
        retry_after_s=error.retry_after_s if isinstance(error, (Unavailable, Throttled)) else None,
        extra=extra,
        path=path,
        param=error.param,
    )


def is_database_away(error: Exception) -> bool:
    """Whether the trouble is Postgres's and will pass; a value of a wrong type is ours."""
    return isinstance(error, DATABASE_AWAY) and not isinstance(error, ValueError)


def database_away_response(path: str = "") -> JSONResponse:
    return app_error_response(Unavailable(retry_after_s=DATABASE_RETRY_AFTER_S), path)


def parse_json(model: type[Body], body: bytes, *, allow_nul: bool = False) -> Body:
    """
    The body as `model`. Raises Invalid with upstream's two messages.

    Postgres stores no NUL character; `allow_nul` is for a route that takes it out by itself.
    """
    if not allow_nul and b"\\u0000" in body and _NUL_ESCAPE.search(body):
        raise Invalid("Invalid request body", details="body: must not contain a NUL character")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        issues = error.errors(include_url=False, include_context=False, include_input=False)
        if issues[0]["type"] == "json_invalid":
            raise Invalid("Invalid JSON in request body") from None
        raise Invalid(
            "Invalid request body", details=_describe(issues), param=_first_field(issues)
        ) from None


def register_error_handlers(app: FastAPI) -> None:
    """Give every error that reaches the router upstream's body."""

    @app.exception_handler(AppError)
    async def on_app_error(request: Request, error: AppError) -> JSONResponse:
        return app_error_response(error, request.scope["path"])

    @app.exception_handler(asyncpg.UnknownPostgresError)
    async def on_state_of_ours(
        request: Request, error: asyncpg.UnknownPostgresError
    ) -> JSONResponse:
        if error.sqlstate != FROZEN_SQLSTATE:
            raise error
        return app_error_response(AccountFrozen(), request.scope["path"])

    @app.exception_handler(RequestValidationError)
    async def on_bad_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
        issues = list(error.errors())
        path = request.scope["path"]
        if any(issue["loc"][0] == "path" for issue in issues):  # an id nobody can have
            return error_response(404, "Not found", code="not_found", path=path)
        place = "request body" if issues[0]["loc"][0] == "body" else "query parameters"
        refused = Invalid(
            f"Invalid {place}", details=_describe(issues), param=_first_field(issues, skip=1)
        )
        return app_error_response(refused, path)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        text = str(error.detail).capitalize()
        return error_response(
            error.status_code, text, code=code, headers=error.headers, path=request.scope["path"]
        )


def _first_field(issues: list[ErrorDetails], *, skip: int = 0) -> str | None:
    """The outermost name of the first issue; `skip` what FastAPI puts before it."""
    place = issues[0]["loc"][skip:]
    return str(place[0]) if place else None


def _describe(issues: list[ErrorDetails]) -> str:
    """Where and what, without the values that were sent."""
    named = [
        f"{'.'.join(str(part) for part in issue['loc']) or 'body'}: {issue['msg']}"
        for issue in issues[:DETAILS_MAX]
    ]
    return "; ".join(named)
