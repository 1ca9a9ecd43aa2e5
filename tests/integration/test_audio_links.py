"""Links to audio in the folder: who has one may listen until its end, and to nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx2
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

from control_plane.objects.links import FolderLinks, LinkSignature
from control_plane.objects.port import ObjectStore
from shared.clock import SystemClock
from tests.fakes.clock import MovableClock
from tests.web_process import OBJECT_LINK_SECRET, Media, running_web, unused_port, web_settings

KEY = "speech/ab/abcdef.wav"
AUDIO = bytes(range(256)) * 400


@dataclass(frozen=True, slots=True)
class Door:
    """The web process's objects, and a client that has never signed in."""

    objects: ObjectStore
    anybody: httpx2.AsyncClient
    clock: MovableClock

    async def link(self, *, expires_in_s: int = 60, media_type: str = "audio/wav") -> str:
        return await self.objects.link(KEY, expires_in_s=expires_in_s, media_type=media_type)


@pytest_asyncio.fixture
async def door(db_dsn: str, no_media: Media, tmp_path: Path) -> AsyncIterator[Door]:
    """A web process on a port of its own, with one audio in its folder."""
    port = unused_port()
    settings = web_settings(
        db_dsn,
        no_media,
        objects_dir=tmp_path / "objects",
        public_url=f"http://127.0.0.1:{port}/",
    )
    clock = MovableClock()
    async with (
        running_web(settings, clock=clock) as web,
        listening(web.app, port),
        httpx2.AsyncClient() as anybody,
    ):
        objects: ObjectStore = web.app.state.services.objects
        await objects.put(KEY, AUDIO, media_type="audio/wav")
        yield Door(objects, anybody, clock)


@asynccontextmanager
async def listening(app: FastAPI, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def changed(link: str, *, path: str | None = None, **query: str) -> str:
    """`link` with other parameters; an empty one is left out."""
    parts = urlsplit(link)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    wanted = {name: value for name, value in {**given, **query}.items() if value}
    return urlunsplit(parts._replace(path=path or parts.path, query=urlencode(wanted)))


async def test_anybody_who_has_the_link_may_listen(door: Door) -> None:
    answer = await door.anybody.get(await door.link(expires_in_s=60))

    assert (answer.status_code, answer.content) == (200, AUDIO)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers.get_list("cache-control") in (
        [f"private, max-age={s}"] for s in (58, 59, 60)
    )


async def test_a_player_gets_the_part_it_asks_for(door: Door) -> None:
    link = await door.link()
    part = await door.anybody.get(link, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, AUDIO[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(AUDIO)}"
    end = await door.anybody.get(link, headers={"Range": "bytes=-10"})
    assert (end.status_code, end.content) == (206, AUDIO[-10:])
    beyond = await door.anybody.get(link, headers={"Range": f"bytes={len(AUDIO)}-"})
    assert beyond.status_code == 416


async def test_its_length_can_be_asked_for_alone(door: Door) -> None:
    answer = await door.anybody.head(await door.link())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(AUDIO))


async def test_a_link_that_was_changed_is_refused(door: Door) -> None:
    link = await door.link()
    later = str(int(parse_qs(urlsplit(link).query)["expires"][0]) + 1)
    for forged in (
        changed(link, expires=later),
        changed(link, type="text/html"),
        changed(link, signature="0" * 64),
        changed(link, signature="ä"),
        changed(link, path="/api/audio/speech/ab/another.wav"),
        changed(link, path="/api/audio/%2e%2e/%2e%2e/etc/passwd"),
        changed(link, path="/api/audio/speech%00"),
    ):
        answer = await door.anybody.get(forged)
        assert answer.status_code == 403, forged
        assert answer.json()["code"] == "bad_link"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("missing", ["expires", "type", "signature"])
async def test_a_link_without_one_of_its_parts_is_a_bad_request(door: Door, missing: str) -> None:
    link = changed(await door.link(), **{missing: ""})
    assert (await door.anybody.get(link)).status_code == 400


async def test_a_link_of_another_secret_is_refused(door: Door) -> None:
    links = FolderLinks(
        LinkSignature(OBJECT_LINK_SECRET[::-1]),
        public_url=(await door.link()).partition("/api/")[0],
        clock=SystemClock(),
    )
    forged = await links.link(KEY, expires_in_s=60, media_type="audio/wav")
    assert (await door.anybody.get(forged)).status_code == 403


async def test_a_link_ends(door: Door) -> None:
    link = await door.link(expires_in_s=60)
    door.clock.ahead_s = 58
    assert (await door.anybody.get(link)).status_code == 200
    door.clock.ahead_s = 61
    ended = await door.anybody.get(link)
    assert (ended.status_code, ended.json()["code"]) == (404, "audio_gone")


async def test_a_link_to_what_was_deleted_is_gone(door: Door) -> None:
    link = await door.link()
    await door.objects.delete([KEY])
    gone = await door.anybody.get(link)
    assert (gone.status_code, gone.json()["code"]) == (404, "audio_gone")


async def test_no_route_is_there_for_a_bucket(db_dsn: str, no_media: Media) -> None:
    settings = web_settings(
        db_dsn,
        no_media,
        objects_bucket="speech",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        aws_endpoint_url="http://127.0.0.1:9",
    )
    async with running_web(settings) as web:
        assert "/api/audio/{key}" not in web.app.openapi()["paths"]
        answer = await web.client.get("/api/audio/speech/a.wav?expires=1&type=a&signature=b")
        assert answer.status_code == 404
