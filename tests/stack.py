"""
Fixtures that give a test the real thing, each as cheap as what it needs.

`db_dsn`        a database of its own with all migrations (about 20 ms)
`postgres_dsn`  the server of the session, without tables; `redis_url` likewise
`stack`         the whole system: LiveKit, voice, control plane, jobs and agent (seconds, once)

Nothing of the caller's environment is used, so a test never touches somebody's database. Set
EXTERNAL_POSTGRES_DSN to run against another server; tests make and drop databases of their own.
"""

import os
import secrets
from collections.abc import AsyncIterator, Generator
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
import pytest_asyncio

from local.stack import Stack
from shared.migrate import migrate
from tests.web_process import Media

FAILED = pytest.StashKey[bool]()
DSN = pytest.StashKey[str]()
TEMPLATE = "sexycall_template"
TOOLS = ("PATH", "HOME", "GOPATH", "GOCACHE", "GOFLAGS", "GOPROXY", "LIVEKIT_SERVER_BIN", "TMPDIR")


def clean_environment() -> dict[str, str]:
    """What a stack of the tests may see of this process's environment."""
    return {name: os.environ[name] for name in TOOLS if name in os.environ}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure until the fixtures are torn down, and say where its database is."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        if DSN in item.stash:
            report.sections.append(("database kept", _where(item.stash[DSN])))
    return report


def _where(dsn: str) -> str:
    folder = unquote(dsn.rpartition("host=")[2].removesuffix("/sockets"))
    return f"{dsn}\nafter the session: python -m local postgres {folder}"


def _session_fixture(function: Any) -> Any:
    return pytest_asyncio.fixture(scope="session", loop_scope="session")(function)


@_session_fixture
async def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    external = os.environ.get("EXTERNAL_POSTGRES_DSN")
    if external:
        yield external
        return
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("postgres"),
        environment=clean_environment(),
        durable=False,
        only=("postgres",),
    ) as running:
        yield running.database_url


@_session_fixture
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("redis"), environment=clean_environment(), only=("redis",)
    ) as running:
        yield running.env["REDIS_URL"]


@_session_fixture
async def media(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Media]:
    """A livekit-server for the session."""
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("livekit"),
        environment=clean_environment(),
        only=("livekit",),
    ) as running:
        env = running.env
        yield Media(env["LIVEKIT_URL"], env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"])


@_session_fixture
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("stack"), environment=clean_environment(), durable=False
    ) as running:
        yield running


@_session_fixture
async def template_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The name of a database with all migrations, to copy."""
    name = f"{TEMPLATE}_{secrets.token_hex(4)}"
    await _execute(postgres_dsn, f'create database "{name}"')
    await migrate(with_database(postgres_dsn, name))
    yield name
    await _execute(postgres_dsn, f'drop database "{name}" with (force)')


@pytest_asyncio.fixture
async def db_dsn(
    request: pytest.FixtureRequest, postgres_dsn: str, template_database: str
) -> AsyncIterator[str]:
    """An empty database with all migrations. A failed test keeps it and prints where it is."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(postgres_dsn, f'create database "{name}" template "{template_database}"')
    dsn = request.node.stash[DSN] = with_database(postgres_dsn, name)
    yield dsn
    if not request.node.stash.get(FAILED, False):
        await _execute(postgres_dsn, f'drop database "{name}" with (force)')


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    return f"{parts.scheme}://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
