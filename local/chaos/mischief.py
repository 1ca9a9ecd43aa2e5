"""
What goes wrong in real calls without anything being killed.

A process with calls stands still, a second agent is sent into a call that has one, and money comes
and goes. Each goes on until cancelled.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
from livekit import api

from local.chaos.media_report import AgentTrouble
from local.chaos.saboteur import Saboteur
from local.chaos.virtual_accounts import LATE, VirtualAccounts
from local.stack import Stack
from shared.call_protocol import AGENT_NAME
from shared.clock import SystemClock
from shared.db import open_pool
from shared.ids import room_name_of
from shared.settings import PostgresSettings

FREEZE_EVERY_S = (1.0, 4.0)
FROZEN_S = (0.8, 5.0)  # also shorter than any watch would notice
SECOND_AGENT_EVERY_S = (2.0, 4.0)
MONEY_EVERY_S = 1.0
_CLOCK = SystemClock()
UNREACHED = (api.TwirpError, aiohttp.ClientError, OSError, TimeoutError)

_RUNNING = "select id from call_sessions where state = 'active'"
_TALKING = "select user_id from call_sessions where state in ('authorized', 'active')"


@dataclass
class Mischief:
    """Everything is noted with the saboteur, who prints it."""

    stack: Stack
    rng: random.Random
    saboteur: Saboteur
    trouble: AgentTrouble

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """All of it, for as long as the block lasts."""
        settings = PostgresSettings.model_validate({"database_url": self.stack.database_url})
        pool = await open_pool(settings, application_name="chaos")
        accounts = VirtualAccounts(pool, self.rng)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._freeze()),
                    group.create_task(self._send_second_agents()),
                    group.create_task(self._move_money(accounts)),
                ]
                yield
                for task in tasks:
                    task.cancel()
        finally:
            await pool.close()

    async def _freeze(self) -> None:
        """A process of the worker group stands still, and goes on as if nothing had happened."""
        while True:
            await asyncio.sleep(self.rng.uniform(*FREEZE_EVERY_S))
            pid = self._some_process()
            if pid is None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.saboteur.note("frozen")
                since_s = _CLOCK.monotonic()
                try:
                    await asyncio.sleep(self.rng.uniform(*FROZEN_S))
                finally:
                    self.trouble.frozen.append((since_s, _CLOCK.monotonic()))
                    os.kill(pid, signal.SIGCONT)

    def _some_process(self) -> int | None:
        try:
            return self.rng.choice(children_of(self.stack.pid_of("agent")))
        except (KeyError, IndexError, FileNotFoundError):
            return None  # killed a moment ago

    async def _send_second_agents(self) -> None:
        env = self.stack.env
        url = env["LIVEKIT_URL"].replace("ws", "http", 1)
        async with api.LiveKitAPI(
            url, env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"]
        ) as livekit:
            while True:
                await asyncio.sleep(self.rng.uniform(*SECOND_AGENT_EVERY_S))
                with contextlib.suppress(*UNREACHED, *LATE):
                    await self._send_second_agent(livekit)

    async def _send_second_agent(self, livekit: api.LiveKitAPI) -> None:
        running = await _ids(self.stack.database_url, _RUNNING)
        if not running:
            return
        call_id = self.rng.choice(running)
        await livekit.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(
                agent_name=AGENT_NAME, room=room_name_of(call_id), metadata=str(call_id)
            )
        )
        self.saboteur.note("second agent sent")

    async def _move_money(self, accounts: VirtualAccounts) -> None:
        while True:
            await asyncio.sleep(MONEY_EVERY_S)
            with contextlib.suppress(*LATE):
                accounts.users = await _ids(self.stack.database_url, _TALKING)
                if accounts.users:
                    await accounts.move_money()
                    self.saboteur.note("top-up or dispute")


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


async def _ids(dsn: str, sql: str) -> list[UUID]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()
