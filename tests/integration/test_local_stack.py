"""A stack of servers: crashes, restarts, locks. Only the cheap ones are started here."""

import asyncio
import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import pytest

from local.failure import CannotRun
from local.layout import Layout
from local.postgres import database_answers
from local.redis_server import redis_answers
from local.stack import RESTARTS_MAX, Stack
from local.stack_file import read_stack_file
from tests.stack import clean_environment

CHEAP = ("postgres", "redis")


def started(folder: Path, *only: str) -> AbstractAsyncContextManager[Stack]:
    return Stack.start(
        data_dir=folder, environment=clean_environment(), durable=False, only=only or CHEAP
    )


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_what_was_committed_survives_a_killed_postgres(tmp_path: Path) -> None:
    async with started(tmp_path, "postgres") as stack:
        connection = await asyncpg.connect(stack.database_url)
        await connection.execute("create table kept as select 42 as answer")
        stack.kill("postgres", signal.SIGKILL)
        await connection.close(timeout=1)
        await stack.start_process("postgres")
        connection = await asyncpg.connect(stack.database_url)
        assert await connection.fetchval("select answer from kept") == 42
        await connection.close()


async def test_a_stopped_process_is_gone_until_it_is_started_again(tmp_path: Path) -> None:
    async with started(tmp_path, "redis") as stack:
        first = stack.pid_of("redis")
        await stack.stop_process("redis")
        assert "redis" not in stack.pids
        assert not await redis_answers(stack.env["REDIS_URL"])
        await stack.start_process("redis")
        assert stack.pid_of("redis") != first
        assert await redis_answers(stack.env["REDIS_URL"])


async def test_nothing_runs_after_the_block(tmp_path: Path) -> None:
    async with started(tmp_path) as stack:
        pids = stack.pids
        dsn = stack.database_url
    assert pids.keys() == set(CHEAP)
    assert [pid for pid in pids.values() if is_there(pid)] == []
    assert not await database_answers(dsn)
    assert not (tmp_path / "stack.json").exists()


async def test_a_data_folder_holds_one_stack_at_a_time(tmp_path: Path) -> None:
    async with started(tmp_path, "redis"):
        with pytest.raises(CannotRun, match="A stack already runs with the data folder"):
            async with started(tmp_path, "redis"):
                pass


async def test_two_stacks_run_side_by_side(tmp_path: Path) -> None:
    async with started(tmp_path / "one") as one, started(tmp_path / "two") as two:
        assert await database_answers(one.database_url)
        assert await database_answers(two.database_url)
        assert one.env["REDIS_URL"] != two.env["REDIS_URL"]


async def test_a_folder_with_a_long_name_works_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    async with started(folder, "postgres") as stack:
        assert await database_answers(stack.database_url)


async def test_only_the_owner_may_read_the_secrets_of_a_running_stack(tmp_path: Path) -> None:
    async with started(tmp_path, "redis") as stack:
        path = stack.layout.stack_file
        assert path.stat().st_mode & 0o777 == 0o600
        told = read_stack_file(Layout.of(tmp_path))
        assert told.environment["REDIS_URL"] == stack.env["REDIS_URL"]
        assert told.pids == {"redis": stack.pid_of("redis")}


async def test_a_dead_process_is_brought_back_and_reported(tmp_path: Path) -> None:
    reports: list[str] = []
    async with started(tmp_path, "redis") as stack:
        watching = asyncio.create_task(stack.watch(reports.append))
        os.kill(stack.pid_of("redis"), signal.SIGKILL)
        async with asyncio.timeout(20):
            while not (reports and await redis_answers(stack.env["REDIS_URL"])):
                await asyncio.sleep(0.05)
        watching.cancel()
    assert reports == ["redis ended (killed by SIGKILL); starting it again."]


async def test_a_process_that_keeps_dying_ends_the_watch(tmp_path: Path) -> None:
    reports: list[str] = []
    async with started(tmp_path, "redis") as stack:
        watching = asyncio.create_task(stack.watch(reports.append))
        async with asyncio.timeout(60):
            while not watching.done():
                pid = stack.pids.get("redis")
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.05)
        with pytest.raises(CannotRun, match="redis ended 6 times within a minute"):
            watching.result()
    assert len(reports) == RESTARTS_MAX


async def test_a_server_of_somebody_else_is_not_started(tmp_path: Path) -> None:
    async with started(tmp_path / "theirs", "postgres") as theirs:
        environment = {**clean_environment(), "DATABASE_URL": theirs.database_url}
        context = Stack.start(
            data_dir=tmp_path / "ours", environment=environment, only=("postgres", "redis")
        )
        async with context as ours:
            assert ours.pids.keys() == {"redis"}
            assert ours.database_url == theirs.database_url
