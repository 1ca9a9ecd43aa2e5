"""Each error has the status that upstream's clients know."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import billing
import control_plane
from billing.generation_charges import OverSpendingCap
from control_plane.errors import CallInProgress
from control_plane.http_errors import STATUS_OF_CODE, app_error_response, status_of
from control_plane.program_orders import UnknownModel
from shared.errors import (
    ActiveCall,
    AppError,
    Conflict,
    Fenced,
    Forbidden,
    FreeLimitReached,
    InsufficientCredits,
    Invalid,
    NoCapacity,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from shared.ids import new_uuid


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unauthenticated(), 401, "unauthenticated"),
        (InsufficientCredits(), 402, "insufficient_credits"),
        (Forbidden(), 403, "forbidden"),
        (FreeLimitReached(), 403, "free_limit_reached"),
        (NotFound(), 404, "not_found"),
        (Invalid(), 400, "invalid_request"),
        (Conflict(), 409, "conflict"),
        (ActiveCall(), 409, "active_call"),
        (CallInProgress(new_uuid()), 409, "active_call"),
        (Fenced(), 409, "fenced"),
        (Unavailable(), 503, "unavailable"),
        (NoCapacity(), 503, "no_capacity"),
        (AppError(), 500, "internal_error"),
    ],
)
def test_status_and_code(error: AppError, status: int, code: str) -> None:
    assert (status_of(error), error.code) == (status, code)


def test_only_what_is_worth_a_retry_says_when() -> None:
    assert "retry-after" not in app_error_response(Conflict()).headers
    busy = app_error_response(NoCapacity(retry_after_s=7))
    assert busy.headers["retry-after"] == "7"


# 404 at OpenAI, 400 upstream; and the same cap, met by a call or by a generation.
SHARED = {UnknownModel, OverSpendingCap}


def test_every_error_of_ours_has_words_and_a_code_of_its_own() -> None:
    for package in (billing, control_plane):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    codes: dict[str, str] = {}
    for kind in _all_kinds(AppError):
        assert kind.__doc__, kind
        assert len(kind.__doc__) < 100, kind
        if "code" in vars(kind) and kind not in SHARED:
            assert codes.setdefault(kind.code, kind.__name__) == kind.__name__
    assert set(STATUS_OF_CODE) <= set(codes) | {"internal_error"}


def _all_kinds(kind: type[AppError]) -> Iterator[type[AppError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _all_kinds(child)
