"""The web process with its real neighbours."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from shared.log import configure_logging
from tests.cable import Cable, cable_to
from tests.web_process import Media, Web, no_media_server, running_web, web_settings


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """As in production; the default form prints all local variables, which takes seconds."""
    configure_logging("tests")


@pytest.fixture
def no_media() -> Media:
    """An address at which no livekit-server answers."""
    return no_media_server()


@pytest_asyncio.fixture
async def web(db_dsn: str, media: Media) -> AsyncIterator[Web]:
    """The web process on a fresh database."""
    async with running_web(web_settings(db_dsn, media)) as running:
        yield running


@pytest_asyncio.fixture
async def database_cable(db_dsn: str) -> AsyncIterator[Cable]:
    folder = parse_qs(urlsplit(db_dsn).query)["host"][0]
    async with cable_to(f"{folder}/.s.PGSQL.5432") as cable:
        yield cable


@pytest_asyncio.fixture
async def wired(db_dsn: str, media: Media, database_cable: Cable) -> AsyncIterator[Web]:
    """The web process behind a cable to its database; `db` is not behind it."""
    name = urlsplit(db_dsn).path
    dsn = f"postgresql://postgres@127.0.0.1:{database_cable.port}{name}"
    async with running_web(web_settings(dsn, media), db_dsn=db_dsn) as running:
        yield running
