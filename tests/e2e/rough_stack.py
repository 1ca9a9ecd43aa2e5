"""
A second whole stack, for tests that break it.

`rough` is the running stack; after each test whatever is stopped is started again, and the test
fails unless everything is healthy then and the books are right.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from billing.receipt_keys import new_entry
from local.stack import Stack
from tests.e2e.ledger import violations
from tests.stack import clean_environment

# Short limits, so that a test of giving up takes seconds.
PATIENCE = {
    "CALL_MIN_CREDITS": "10",
    "CALL_JOIN_LIMIT_S": "5",
    "CALL_REJOIN_LIMIT_S": "6",
    "AGENT_PROCESSES": "2",
    "AGENT_CALLS_PER_PROCESS": "4",
    "PHONE_OPERATOR_NUMBER": "+49305550111",  # whom nobody can call without a SIP service
}
SLOTS = 8
HEALTHY_WITHIN_S = 40  # a killed agent loads the media framework again
CALLS_END_WITHIN_S = 30
SERVERS = ("postgres", "redis", "livekit", "voice", "web", "jobs", "agent")  # in order of need


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rough_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    environment = {
        **clean_environment(),
        **PATIENCE,
        "RECEIPT_SIGNING_KEYS": new_entry(),
    }
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("rough"), environment=environment, durable=False
    ) as running:
        yield running


@pytest_asyncio.fixture
async def rough(rough_stack: Stack) -> AsyncIterator[Stack]:
    yield rough_stack
    await mend(rough_stack)
    assert await violations(rough_stack) == []


async def mend(stack: Stack) -> None:
    """Start what is stopped, and wait until the whole stack is healthy."""
    for name in SERVERS:
        if name in stack.pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(stack.pid_of(name), signal.SIGCONT)
        else:
            await stack.start_process(name)
    await until_healthy(stack)


async def until_healthy(stack: Stack) -> None:
    """Until every dependency is well and the agent offers all of its slots."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while (health := await readiness(stack)) is None or not _is_whole(health):
        assert time.monotonic() < deadline, f"not healthy again: {health}"
        await asyncio.sleep(0.1)


async def readiness(stack: Stack) -> dict[str, dict[str, object]] | None:
    """The dependencies as /readyz tells them; None while nobody answers."""
    try:
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
            answer = await client.get(f"{stack.control_plane_url}/readyz")
        dependencies: dict[str, dict[str, object]] = answer.json()["dependencies"]
    except (httpx2.HTTPError, ValueError, KeyError):
        return None
    return dependencies


def _is_whole(health: dict[str, dict[str, object]]) -> bool:
    well = all(state["status"] in {"ok", "off"} for state in health.values())
    return well and health["agents"]["slots"] == SLOTS
