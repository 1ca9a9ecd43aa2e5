"""Steps that are not left half-done when the one who waits for them goes away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

STEP_S_MAX: Final = 20.0  # a step is one transaction; statements are cut off at 15 s


async def seen_through(step: Coroutine[Any, Any, T]) -> T:
    """
    The outcome of `step`, which goes on to its end when the caller is cancelled meanwhile.

    The cancellation is raised when the step has ended, or after `STEP_S_MAX`.
    """
    task = asyncio.create_task(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=STEP_S_MAX)
        if task.done() and not task.cancelled():
            task.exception()  # seen: the cancellation says more
        raise
