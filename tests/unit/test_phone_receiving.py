"""Whose line is ended: one without a call, whatever went wrong, and never one that has a call."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from pydantic import BaseModel

from agent.answering import answer_job
from agent.charging_client import Refused
from agent.journal import Journal
from agent.slots import SlotPool
from shared.phone_protocol import PHONE_DISPATCH
from tests.unit.test_phone_reception import CALLER, ENTERED, PLACED, WELCOME

FRAME = b"\0\0" * 240  # 10 ms


class Line(rtc.EventEmitter[str]):
    """A room with a telephone in it, and the participant that is us."""

    name = "phone_x"

    def __init__(self) -> None:
        super().__init__()
        kind = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
        attributes = {"sip.callStatus": "active", "sip.phoneNumber": "+4915112345678"}
        self.caller = SimpleNamespace(identity=CALLER, sid="PA_1", kind=kind, attributes=attributes)
        self.remote_participants = {CALLER: self.caller}
        self.local_participant = self

    async def publish_track(self, *_: object) -> Any:
        return SimpleNamespace(sid="TR_1", wait_for_subscription=self.subscribed)

    async def subscribed(self) -> None: ...

    def isconnected(self) -> bool:
        return False

    def press(self, keys: str) -> None:
        for key in keys:
            person = cast("rtc.RemoteParticipant", self.caller)
            self.emit("sip_dtmf_received", rtc.SipDTMF(code=0, digit=key, participant=person))


@dataclass
class Job:
    """What a job is given, and whether it deleted its room."""

    room: Line = field(default_factory=Line)
    joining: Exception | None = None
    deleted: int = 0
    job: Any = field(default_factory=lambda: SimpleNamespace(id="J1", metadata=PHONE_DISPATCH))

    async def connect(self, **_: object) -> None:
        if self.joining:
            raise self.joining

    def delete_room(self) -> "asyncio.Future[None]":
        self.deleted += 1
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def shutdown(self, _reason: str) -> None: ...


@dataclass
class Cell:
    """A control plane that answers in turn; the caller presses `keys` as the words are made."""

    line: Line
    pool: SlotPool
    journal: Journal
    answers: list[dict[str, Any] | Exception]
    keys: list[str] = field(default_factory=list)

    @property
    def client(self) -> "Cell":
        return self

    @property
    def sentences(self) -> "Cell":
        return self

    async def ask(self, *asked: Any) -> Any:
        """Both the client's question and the awaiting of it in the main loop."""
        if len(asked) == 1:
            return await cast("Coroutine[Any, Any, Any]", asked[0])
        return self._answer(asked[2])

    async def start(self, *_: object) -> Any:
        return self._answer(BaseModel)

    async def pcm(self, _words: str, _language: str) -> bytes:
        if self.keys:
            asyncio.get_running_loop().call_later(0.02, self.line.press, self.keys.pop(0))
        return FRAME

    def _answer(self, kind: type[BaseModel]) -> BaseModel:
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return kind.model_validate(told)


async def answered(folder: Path, job: Job, *answers: Any) -> None:
    journal = Journal.create(folder, worker_id="test", cells=1, slots_per_cell=1)
    pool = SlotPool(journal, 0)
    cell = Cell(job.room, pool, journal, [*answers], ["", "274915#", "1"])
    try:
        await answer_job(cast("Any", job), cast("Any", cell))
        assert not cell.answers, "all of them were asked for"
    finally:
        journal.remove()


async def test_a_call_that_somebody_else_has_started_keeps_its_line(tmp_path: Path) -> None:
    job = Job()
    await answered(tmp_path, job, WELCOME, ENTERED, PLACED, Refused(409))
    assert job.deleted == 0


@pytest.mark.parametrize(
    "answers",
    [
        [RuntimeError("a bug")],
        [TimeoutError()],
        [WELCOME, RuntimeError("a bug")],
        [WELCOME, ENTERED, {"outcome": "no_credit"}],
    ],
)
async def test_a_line_without_a_call_is_hung_up_whatever_went_wrong(
    tmp_path: Path, answers: list[Any]
) -> None:
    job = Job()
    await answered(tmp_path, job, *answers)
    assert job.deleted == 1


async def test_a_room_that_could_not_be_joined_is_hung_up(tmp_path: Path) -> None:
    job = Job(joining=RuntimeError("no media"))
    await answered(tmp_path, job)
    assert job.deleted == 1
