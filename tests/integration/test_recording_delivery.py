"""The way of a recording: a recorder that stops no call, a delivery that loses nothing."""

import asyncio
import os
import threading
from array import array
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from agent.recording.delivery import Delivery, Undelivered, delivery_client
from agent.recording.recorder import Recorder
from agent.recording.shelf import Shelf
from agent.sound import RATE_HZ
from control_plane.recordings.ogg import duration_ms
from shared.clock import SystemClock
from tests.integration.recording_desk import recording
from tests.tapes import tape_of

TOKEN = "the credential of the tests' agents"
PIECE = array("h", [12_000, -12_000] * (RATE_HZ // 20)).tobytes()  # 100 ms of noise
WEEK_S = 7 * 24 * 3_600


class Storehouse:
    """Takes recordings as the control plane does; `answers` are given first, then 204."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        data = await request.read()
        status = self.answers.pop(0) if self.answers else 204
        if status == 204:
            self.taken.append((request.match_info["id"], request.query["epoch"], data))
        return web.Response(status=status)


@pytest_asyncio.fixture
async def storehouse() -> AsyncIterator[Storehouse]:
    store = Storehouse()
    app = web.Application(client_max_size=30 * 2**20)
    app.router.add_post("/internal/v1/recordings/{id}", store.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield store
    await runner.cleanup()


@pytest_asyncio.fixture
async def http(storehouse: Storehouse) -> AsyncIterator[httpx2.AsyncClient]:
    async with delivery_client(storehouse.url, SecretStr(TOKEN)) as client:
        yield client


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "recordings")


def put_on(shelf: Shelf, *, age_s: float = 0, data: bytes | None = None) -> UUID:
    """A file that somebody left; its call."""
    call_id = uuid4()
    shelf.folder.mkdir(exist_ok=True)
    path = shelf.path_of(call_id, 1)
    path.write_bytes(recording() if data is None else data)
    then_s = SystemClock().now().timestamp() - age_s
    os.utime(path, (then_s, then_s))
    return call_id


def recorder(shelf: Shelf, on_stopped: Callable[[], None] = lambda: None) -> Recorder:
    return Recorder(shelf, uuid4(), 1, SystemClock(), on_stopped)


async def test_what_is_left_is_delivered_oldest_first_and_goes(
    storehouse: Storehouse, http: httpx2.AsyncClient, shelf: Shelf
) -> None:
    calls = [put_on(shelf, age_s=age_s) for age_s in (10, 30, 20)]
    assert await Delivery(shelf, http, SystemClock()).round() == 3
    assert [UUID(call) for call, _, _ in storehouse.taken] == [calls[1], calls[2], calls[0]]
    assert {(epoch, data) for _, epoch, data in storehouse.taken} == {("1", recording())}
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_what_is_refused_goes_too(
    storehouse: Storehouse, http: httpx2.AsyncClient, shelf: Shelf, status: int
) -> None:
    put_on(shelf)
    storehouse.answers = [status]
    assert await Delivery(shelf, http, SystemClock()).round() == 0
    assert list(shelf.folder.iterdir()) == []
    assert storehouse.taken == []


async def test_without_an_answer_it_stays_and_the_others_go(
    storehouse: Storehouse, http: httpx2.AsyncClient, shelf: Shelf
) -> None:
    stays, goes = put_on(shelf, age_s=20), put_on(shelf, age_s=10)
    storehouse.answers = [500]
    delivery = Delivery(shelf, http, SystemClock())
    with pytest.raises(Undelivered):
        await delivery.round()
    assert [UUID(call) for call, _, _ in storehouse.taken] == [goes]
    assert shelf.path_of(stays, 1).exists()
    assert await delivery.round() == 1


async def test_nobody_at_home_changes_nothing(shelf: Shelf) -> None:
    stays = put_on(shelf)
    async with delivery_client("http://127.0.0.1:9", SecretStr(TOKEN)) as away:
        with pytest.raises(Undelivered):
            await Delivery(shelf, away, SystemClock()).round()
    assert shelf.path_of(stays, 1).exists()


async def test_what_nobody_takes_for_a_week_goes(shelf: Shelf) -> None:
    put_on(shelf, age_s=WEEK_S + 60)
    async with delivery_client("http://127.0.0.1:9", SecretStr(TOKEN)) as away:
        assert await Delivery(shelf, away, SystemClock()).round() == 0
    assert list(shelf.folder.iterdir()) == []


async def test_a_recording_under_way_is_nobodys_to_deliver(
    storehouse: Storehouse, http: httpx2.AsyncClient, shelf: Shelf
) -> None:
    running = recorder(shelf)
    assert await running.start()
    delivery = Delivery(shelf, http, SystemClock())
    for _ in range(8):
        running.heard(PIECE)
        await asyncio.sleep(0.1)
        assert await delivery.round() == 0
    await running.finish()
    assert await delivery.round() == 1
    (_, _, data) = storehouse.taken[0]
    assert duration_ms(data) == pytest.approx(850, abs=200)
    assert tape_of(data).caller_s > 0.5


async def test_an_interrupted_voice_is_on_the_tape_as_far_as_it_was_heard(shelf: Shelf) -> None:
    running = recorder(shelf)
    assert await running.start()
    for number in range(10):
        running.played(PIECE, in_s=number / 10)
    await asyncio.sleep(0.5)
    running.cut()
    await asyncio.sleep(0.7)
    await running.finish()
    tape = tape_of(shelf.path_of(running.call_id, 1).read_bytes())
    assert tape.agent_s == pytest.approx(0.5, abs=0.15)
    assert tape.caller == []
    assert tape.seconds == pytest.approx(1.2, abs=0.2)


async def test_a_discarded_recording_was_never_there(shelf: Shelf) -> None:
    running = recorder(shelf)
    assert await running.start()
    running.heard(PIECE)
    await asyncio.sleep(0.7)
    await running.discard()
    assert not running.is_running
    assert list(shelf.folder.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file in its place")
    running = recorder(Shelf(tmp_path / "recordings"))
    assert not await running.start()
    running.heard(PIECE)
    running.played(PIECE, in_s=0)
    running.cut()
    await running.finish()
    await running.discard()


async def test_a_disk_that_fails_ends_the_recording_and_says_so(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()
    running = recorder(shelf, stopped.set)
    assert await running.start()
    assert running._tape
    running._tape._file.close()
    async with asyncio.timeout(5):
        while not stopped.is_set():
            running.heard(PIECE)
            await asyncio.sleep(0.05)
    assert not running.is_running
    await running.finish()


async def test_a_recording_ends_at_its_longest_time_and_is_kept(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.recording.recorder.RECORDING_S_MAX", 1)
    stopped = threading.Event()
    running = recorder(shelf, stopped.set)
    assert await running.start()
    async with asyncio.timeout(10):
        while not stopped.is_set():
            running.heard(PIECE)
            await asyncio.sleep(0.1)
    data = shelf.path_of(running.call_id, 1).read_bytes()
    assert duration_ms(data) == pytest.approx(1_250, abs=300)
