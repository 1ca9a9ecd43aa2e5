"""Errors in the shape OpenAI clients parse: {"error": {"message", "type", "param", "code"}}."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError

from local.voice.faults import RestFault
from shared.log import get_logger

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers or {}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error of a handler, ours and aiohttp's, in one shape."""
    try:
        return await handler(request)
    except HttpError as error:
        return error_response(error)
    except ValidationError as error:
        return error_response(_invalid(error))
    except web.HTTPException as error:
        return error_response(HttpError(error.status, error.reason))
    except ConnectionError:
        raise  # the client went away; there is nobody to answer
    except Exception:
        log.exception("request_failed", method=request.method, path=request.path)
        return error_response(HttpError(500, "the server had an error"))


def error_response(error: HttpError) -> web.Response:
    client_fault = error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    body = {
        "message": error.message,
        "type": "invalid_request_error" if client_fault else "server_error",
        "param": error.param,
        "code": error.code,
    }
    return web.json_response({"error": body}, status=error.status, headers=error.headers)


async def misbehave(fault: RestFault) -> None:
    """Wait and fail as the fault asks for. Raises HttpError."""
    await asyncio.sleep(fault.delay_s)
    if fault.status is None:
        return
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    is_limit = fault.status == HTTPStatus.TOO_MANY_REQUESTS
    code = fault.code or ("rate_limit_exceeded" if is_limit else "server_error")
    raise HttpError(fault.status, "this fault was asked for", code=code, headers=headers)


def break_connection(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def _invalid(error: ValidationError) -> HttpError:
    """The first thing wrong with a JSON body, without the value that was sent."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = str(first["loc"][0]) if first["loc"] else None
    return HttpError(400, f"{param or 'body'}: {first['msg']}", param=param, code="invalid_value")
