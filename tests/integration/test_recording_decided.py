"""One call's recording, and a control plane that answers late: nothing without a kept yes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
import pytest_asyncio
from aiohttp import web
from livekit import rtc
from livekit.agents.voice import SpeechHandle  # noqa: TID251 - what the agent is made of
from pydantic import SecretStr

from agent.charging_client import ChargingClient
from agent.page import Page
from agent.recording import consent_line
from agent.recording.call_recording import ASKED_WITHIN_S, CallRecording
from agent.recording.consent_line import ConsentLine
from agent.recording.read_out import ReadOut
from agent.recording.shelf import Shelf
from shared.clock import Clock, SystemClock
from shared.recording_protocol import ConsentReport
from tests.fakes.clock import MovableClock
from tests.integration.engine_call import call_config

TOKEN = "the credential of the tests' agents"
PCM = bytes(4_800)

ResultT = TypeVar("ResultT")


@dataclass
class Keeper:
    """The control plane's side: what it was told, in order. `faults` are answered first."""

    told: list[str] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    may_record: bool = True
    url: str = ""

    async def consent(self, request: web.Request) -> web.Response:
        if self.faults and (status := self.faults.pop(0)):
            return web.Response(status=status)
        report = ConsentReport.model_validate_json(await request.read())
        self.told.append(str(report.answer))
        return web.json_response({"may_record": report.answer == "yes" and self.may_record})

    async def withdrawal(self, _request: web.Request) -> web.Response:
        if self.faults and (status := self.faults.pop(0)):
            return web.Response(status=status)
        self.told.append("withdrawn")
        return web.json_response({"deleted": 1})


@pytest_asyncio.fixture
async def keeper() -> AsyncIterator[Keeper]:
    found = Keeper()
    app = web.Application()
    prefix = "/internal/v1/calls/{id}"
    app.router.add_post(f"{prefix}/recording-consent", found.consent)
    app.router.add_post(f"{prefix}/recording-withdrawal", found.withdrawal)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@dataclass
class Line:
    """A telephone call that may be recorded."""

    recording: CallRecording
    room: Any
    shelf: Shelf

    def press(self, digit: str) -> None:
        participant = cast("Any", SimpleNamespace(identity="human"))
        self.room.emit(
            "sip_dtmf_received", rtc.SipDTMF(code=0, digit=digit, participant=participant)
        )

    async def ask(self, *keys: str) -> list[str]:
        """What was read out; the keys are pressed one after the other while it is."""
        said: list[str] = []

        def read_out(words: str) -> ReadOut:
            said.append(words)
            speech = SpeechHandle.create()
            asyncio.get_running_loop().call_later(0.3, speech._mark_done)
            return ReadOut(speech, cast("Any", rtc.EventEmitter()))

        asking = asyncio.create_task(self.recording.ask(read_out))
        for key in keys:
            await asyncio.sleep(0.1)
            self.press(key)
        await asking
        return said

    @property
    def files(self) -> list[Path]:
        return list(self.shelf.folder.glob("*"))

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.recording.heard(PCM)
                await asyncio.sleep(0.05)


@asynccontextmanager
async def line(
    keeper: Keeper, folder: Path, *, recording: str = "ask", clock: Clock | None = None
) -> AsyncIterator[Line]:
    async def run(request: Awaitable[ResultT]) -> ResultT:
        return await request

    config = call_config(channel="phone", recording=recording)
    room: Any = rtc.EventEmitter()
    room.local_participant = SimpleNamespace(register_rpc_method=lambda *_: None)
    shelf = Shelf(folder / "recordings")
    async with ChargingClient(keeper.url, SecretStr(TOKEN)) as client:
        made = CallRecording(
            config=config,
            room=room,
            page=Page(room, "human", is_shown=False),
            line=ConsentLine(client, config.call_id, run),
            shelf=shelf,
            clock=clock or SystemClock(),
        )
        made.watch()
        yield Line(made, room, shelf)
        await made.leave()


async def test_a_yes_is_kept_before_anything_is_written(keeper: Keeper, tmp_path: Path) -> None:
    async with line(keeper, tmp_path) as call:
        (said,) = await call.ask("1")
        assert "Press 1 for yes" in said
        await call.until(lambda: call.files)
        assert keeper.told == ["None", "yes"]


async def test_a_yes_that_cannot_be_kept_is_no_yes(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent_line, "RETRY_S", 0.01)
    keeper.faults = [0, *[503] * consent_line.TRIES_MAX]
    async with line(keeper, tmp_path) as call:
        await call.ask("1")
        await call.until(lambda: not keeper.faults)
        await call.until(lambda: not call.recording._tasks)
        assert (call.files, keeper.told) == ([], ["None"])


async def test_a_yes_that_is_not_wanted_any_more_is_no_yes(keeper: Keeper, tmp_path: Path) -> None:
    keeper.may_record = False
    async with line(keeper, tmp_path) as call:
        await call.ask("1")
        await call.until(lambda: keeper.told == ["None", "yes"])
        await call.until(lambda: not call.recording._tasks)
        assert call.files == []


async def test_a_yes_that_is_taken_back_at_once_leaves_nothing(
    keeper: Keeper, tmp_path: Path
) -> None:
    async with line(keeper, tmp_path) as call:
        await call.ask("1", "2")
        await call.until(lambda: "withdrawn" in keeper.told)
        assert keeper.told == ["None", "yes", "withdrawn"]
        assert call.files == []


async def test_a_withdrawal_is_told_again_until_it_is_heard(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent_line, "RETRY_S", 0.01)
    async with line(keeper, tmp_path) as call:
        await call.ask("1")
        await call.until(lambda: call.files)
        keeper.faults = [503, 502]
        call.press("2")
        await call.until(lambda: "withdrawn" in keeper.told)
        assert call.files == []


async def test_who_takes_a_call_over_asks_nothing_and_hears_a_withdrawal(
    keeper: Keeper, tmp_path: Path
) -> None:
    async with line(keeper, tmp_path, recording="given") as call:
        assert await call.ask() == []
        call.press("2")
        await call.until(lambda: keeper.told == ["withdrawn"])
        assert call.files == []


async def test_it_is_too_late_for_a_question_when_the_call_is_about_to_be_given_up(
    keeper: Keeper, tmp_path: Path
) -> None:
    clock = MovableClock()
    async with line(keeper, tmp_path, clock=clock) as call:
        clock.ahead_s = ASKED_WITHIN_S + 1
        assert await call.ask("1") == []
        assert (keeper.told, call.files) == ([], [])
