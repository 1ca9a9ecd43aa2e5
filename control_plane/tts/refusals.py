"""
What went wrong at a provider, in our words.

The words of a provider are read here and never passed on: they carry customers' texts, addresses
and now and then a key. A refusal of ours has its own fixed message and no cause attached.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import httpx2

from control_plane.tts.port import (
    InputTooLong,
    NoAudio,
    ProhibitedContent,
    ProviderAway,
    ProviderQuota,
    ProviderRefusal,
)
from control_plane.tts.wire import UnusableAnswer
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

CAUSES_MAX: Final = 8  # how deep a chain of exceptions is searched

_CONTENT: Final = (
    "content_policy",
    "content policy",
    "moderation",
    "guardrail",
    "prohibited",
    "safety",
    "nsfw",
    "flagged",
    "inappropriate",
)
_TOO_LONG: Final = (
    "too long",
    "too_long",
    "above_max_length",
    "maximum length",
    "maximum context",
    "exceeds the maximum",
    "exceeds the limit",
    "token limit",
    "too many tokens",
)
# The text itself is refused with one of these; 401 and 404 are trouble of ours.
_TEXT_STATUSES: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, 451}
)


def refusal_of_answer(status: int, words: str) -> AppError:
    """The refusal for an HTTP error; `words` is the provider's explanation, only read."""
    said = words.lower()
    if status < HTTPStatus.BAD_REQUEST:
        return NoAudio()  # it answered, with something else
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ProviderQuota()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return ProviderAway()
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return InputTooLong()
    return _refusal_of_text(said) if status in _TEXT_STATUSES else ProviderRefusal()


def _refusal_of_text(said: str) -> AppError:
    if any(word in said for word in _CONTENT):
        return ProhibitedContent()
    if any(word in said for word in _TOO_LONG):
        return InputTooLong()
    return ProviderRefusal()


@contextmanager
def in_our_words(
    provider: str, refusal_of: Callable[[Exception], AppError | None]
) -> Iterator[None]:
    """Turn whatever an SDK raises into a refusal; `refusal_of` knows the SDK's own errors."""
    try:
        yield
    except AppError:
        raise
    except Exception as error:  # SDKs let through whatever a layer of theirs raises
        refusal = _refusal(error, refusal_of)
        log.warning(
            "provider_failed",
            provider=provider,
            code=refusal.code,
            kind=type(error).__name__,
            exc_info=error if isinstance(refusal, NoAudio) else None,  # may be a bug of ours
        )
        raise refusal from None


def _refusal(error: Exception, refusal_of: Callable[[Exception], AppError | None]) -> AppError:
    if any(isinstance(cause, UnusableAnswer) for cause in _causes(error)):
        return NoAudio()
    known = refusal_of(error)
    if known is not None:
        return known
    if any(isinstance(cause, (httpx2.TransportError, OSError)) for cause in _causes(error)):
        return ProviderAway()
    return NoAudio()  # an answer that could not be understood


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
