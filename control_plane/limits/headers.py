"""
Rate limits as headers: upstream's three for programs, and those of the IETF draft.

    X-RateLimit-Limit-Requests: 60           RateLimit-Policy: "v1";q=60;w=60
    X-RateLimit-Remaining-Requests: 59       RateLimit: "v1";r=59;t=1
    X-RateLimit-Reset-Requests: 2026-11-21T12:00:01.000Z
"""

from datetime import datetime, timedelta
from typing import Final

from control_plane.limits.bucket import Allowance

# What upstream tells who showed no key.
DEFAULT_LIMIT: Final = 60
DEFAULT_WINDOW_S: Final = 60


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """Lower-case names, as `request.state.response_headers` wants them."""
    return {
        "x-ratelimit-limit-requests": str(allowance.limit),
        "x-ratelimit-remaining-requests": str(allowance.remaining),
        "x-ratelimit-reset-requests": _iso(allowance.reset_at),
        "ratelimit-policy": f'"{allowance.name}";q={allowance.limit};w={allowance.window_s}',
        "ratelimit": f'"{allowance.name}";r={allowance.remaining};t={allowance.reset_s}',
    }


def default_rate_headers(now: datetime) -> dict[str, str]:
    """For a request that nobody was asked to let through, such as one without a key."""
    return {
        "x-ratelimit-limit-requests": str(DEFAULT_LIMIT),
        "x-ratelimit-remaining-requests": str(DEFAULT_LIMIT),
        "x-ratelimit-reset-requests": _iso(now + timedelta(seconds=DEFAULT_WINDOW_S)),
    }


def _iso(moment: datetime) -> str:
    """As JavaScript writes it, which is what upstream's clients parse."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
