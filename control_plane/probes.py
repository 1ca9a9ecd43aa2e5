"""One short look at each dependency. A probe never raises and never waits longer than a second."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from redis.exceptions import RedisError

from control_plane.http_errors import DATABASE_AWAY
from control_plane.pulse import take_pulse
from control_plane.services import Services
from control_plane.workers import capacity
from shared.db import transaction
from shared.errors import Unavailable
from shared.log import get_logger

log = get_logger(__name__)

PROBE_TIMEOUT_S: Final = 1.0  # load balancers ask every few seconds and give up soon

State = dict[str, Any]


async def probe_all(services: Services) -> dict[str, State]:
    """The state of each dependency by its name; `status` is ok, full, off or down."""
    agents, livekit, redis = await asyncio.gather(
        _probe(lambda: _agents(services)),
        _probe(lambda: _livekit(services)),
        _probe(lambda: _redis(services)),
    )
    # The workers are counted in the database, so that answer tells of both.
    postgres = {"status": "down" if agents["status"] == "down" and "slots" not in agents else "ok"}
    return {"postgres": postgres, "redis": redis, "livekit": livekit, "agents": agents}


async def probe_books(services: Services) -> State:
    """Refresh the gauges of the books and of the agents."""
    return await _probe(lambda: _books(services))


async def _probe(look: Callable[[], Coroutine[Any, Any, State]]) -> State:
    """
    The state, or down.

    A look that hangs is cancelled but not waited for: a driver that rolls back on a dead connection
    takes 15 s, and the pool bounds how many can hang.
    """
    task = asyncio.create_task(look())
    task.add_done_callback(_consume)
    done, _ = await asyncio.wait({task}, timeout=PROBE_TIMEOUT_S)
    if not done:
        task.cancel()
        return {"status": "down"}
    return {"status": "down"} if task.exception() else task.result()


def _consume(task: asyncio.Task[State]) -> None:
    """Any error means down; only one that nobody expects is worth a line."""
    error = None if task.cancelled() else task.exception()
    if error and not isinstance(error, (*DATABASE_AWAY, RedisError, Unavailable)):
        log.error("probe_failed", exc_info=error)


async def _agents(services: Services) -> State:
    async with transaction(services.pool) as tx:
        now = await capacity(tx)
    status = "down" if now.slots == 0 else "full" if now.taken >= now.slots else "ok"
    return {
        "status": status,
        "slots": now.slots,
        "workers": now.workers,
        "openCalls": now.open_calls,
    }


async def _books(services: Services) -> State:
    await take_pulse(services.pool)
    return await _agents(services)


async def _livekit(services: Services) -> State:
    await services.livekit.ping()
    return {"status": "ok"}


async def _redis(services: Services) -> State:
    if services.redis is None:
        return {"status": "off"}
    await services.redis.ping()
    return {"status": "ok"}
