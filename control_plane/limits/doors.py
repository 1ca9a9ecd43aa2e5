"""
The limits of routes, as dependencies:

    @router.post("/api/call-token", dependencies=[limited("call_token")])

A door counts by key (and the account behind it), by account, or by address. Whoever comes through
finds what is left in the headers of the answer, whatever the answer is.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from fastapi import Depends
from starlette.requests import Request

from control_plane.callers import KeyHolder
from control_plane.limits.address import client_address
from control_plane.limits.bucket import Bucket, TooManyRequests
from control_plane.limits.headers import rate_headers
from control_plane.limits.ratelimit import RateLimiter
from control_plane.limits.settings import LimitSettings
from control_plane.services import CurrentServices, Services, SignedIn
from shared.ids import UserId


class By(Enum):
    """Who is counted."""

    KEY = "key"
    ACCOUNT = "account"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Door:
    """`rate` reads the rate a minute from the settings."""

    by: By
    rate: Callable[[LimitSettings], int]


DOORS: Final = {
    "v1": Door(By.KEY, lambda settings: settings.api_requests_per_minute),
    "call_token": Door(By.ACCOUNT, lambda settings: settings.call_tokens_per_minute),
    "speech": Door(By.ACCOUNT, lambda settings: settings.generations_per_minute),
    "clone": Door(By.ACCOUNT, lambda settings: settings.clones_per_minute),
    "text": Door(By.ACCOUNT, lambda settings: settings.texts_per_minute),
    "till": Door(By.ACCOUNT, lambda settings: settings.payments_per_minute),
    "checkout": Door(By.ACCOUNT, lambda settings: settings.checkouts_per_minute),
    "anonymous": Door(By.ADDRESS, lambda settings: settings.anonymous_requests_per_minute),
}


def limited(name: str) -> Any:
    """The door of that name. Raises TooManyRequests, after what the caller's check raises."""
    door = DOORS[name]
    return Depends(_GUARD_OF[door.by](name, door))


async def pass_speech(request: Request, services: Services, user_id: UserId) -> None:
    """The door "speech", for a route that answers from memory before. Raises TooManyRequests."""
    await _pass(request, services.limiter, _speech_bucket(services, user_id))


def pass_remembered(request: Request, services: Services, user_id: UserId) -> None:
    """The same rate for answers from memory, by each process. Raises TooManyRequests."""
    told: dict[str, str] = request.state.response_headers
    try:
        told.update(rate_headers(services.limiter.take_here(_speech_bucket(services, user_id))))
    except TooManyRequests as refused:
        told.update(rate_headers(refused.allowance))
        raise


def _speech_bucket(services: Services, user_id: UserId) -> Bucket:
    return _bucket("speech", user_id, DOORS["speech"].rate(services.settings))


def _by_key(name: str, door: Door) -> Callable[..., Awaitable[None]]:
    async def guard(request: Request, services: CurrentServices, caller: KeyHolder) -> None:
        settings = services.settings
        account_rate = settings.api_account_requests_per_minute
        await _pass(
            request,
            services.limiter,
            _bucket(name, caller.api_key_id, door.rate(settings)),
            _bucket(f"{name}_account", caller.user_id, account_rate),
        )

    return guard


def _by_account(name: str, door: Door) -> Callable[..., Awaitable[None]]:
    async def guard(request: Request, services: CurrentServices, user_id: SignedIn) -> None:
        await _pass(request, services.limiter, _bucket(name, user_id, door.rate(services.settings)))

    return guard


def _by_address(name: str, door: Door) -> Callable[..., Awaitable[None]]:
    async def guard(request: Request, services: CurrentServices) -> None:
        settings = services.settings
        address = client_address(request, trusted_hops=settings.trusted_proxy_hops)
        await _pass(request, services.limiter, _bucket(name, address, door.rate(settings)))

    return guard


_GUARD_OF: Final = {By.KEY: _by_key, By.ACCOUNT: _by_account, By.ADDRESS: _by_address}


def _bucket(name: str, subject: object, rate: int) -> Bucket:
    return Bucket(name, str(subject), capacity=rate, refill_per_minute=rate)


async def _pass(request: Request, limiter: RateLimiter, *buckets: Bucket) -> None:
    told: dict[str, str] = request.state.response_headers
    try:
        told.update(rate_headers(await limiter.take(*buckets)))
    except TooManyRequests as refused:
        told.update(rate_headers(refused.allowance))
        raise
