"""
Scenarios that need time, not attention: all of them run at once, and each test waits for its own.

    calls = side_by_side(stack, exact_balance, topped_up)      # inside `async with`
    ended = await calls[exact_balance]
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from local.stack import Stack

Scenario = Callable[[Stack], Coroutine[Any, Any, Any]]
Running = dict[Scenario, "asyncio.Task[Any]"]


@asynccontextmanager
async def side_by_side(stack: Stack, *scenarios: Scenario) -> AsyncIterator[Running]:
    """What fails, fails in the test that waits for it. Nothing is left running at the end."""
    running = {scenario: asyncio.create_task(scenario(stack)) for scenario in scenarios}
    try:
        yield running
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
