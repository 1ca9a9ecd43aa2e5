"""
How many calls and how many PINs, over all accounts.

The lock of an account is in the database (`phone_pin_attempt_v1`) and holds without Redis. These
two are for who has many numbers to forge, and for who keeps the line busy.
"""

from typing import Final

from control_plane.limits.bucket import Bucket, TooManyRequests
from control_plane.services import Services

HIDDEN: Final = "hidden"  # callers without a number share one, of each number of ours


async def may_call(services: Services, *, number: str | None, ours: str) -> bool:
    """False: do not even answer; a busy line costs nobody anything."""
    at_once = services.settings.phone_calls_per_number
    if number:
        bucket = Bucket("phone_number", number, capacity=at_once, refill_per_minute=1)
    else:
        rate = services.settings.phone_pins_per_minute
        subject = f"{HIDDEN} {ours}"
        bucket = Bucket("phone_number", subject, capacity=rate, refill_per_minute=rate)
    return await _is_free(services, bucket)


async def may_try(services: Services, *, ours: str) -> bool:
    """Whether a PIN or a code may be judged that somebody entered on this number of ours."""
    rate = services.settings.phone_pins_per_minute
    bucket = Bucket("phone_pins", ours, capacity=rate, refill_per_minute=rate)
    return await _is_free(services, bucket)


async def _is_free(services: Services, bucket: Bucket) -> bool:
    try:
        await services.limiter.take(bucket)
    except TooManyRequests:
        return False
    return True
