"""The charging sidecar against a control plane that loses, delays and refuses."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from agent.charger import SETTLE_EVERY_S, Charger
from agent.charging_client import ChargingClient
from agent.journal import Journal, Mode, SlotState, Watermark
from agent.last_rites import close_the_dead
from shared.call_protocol import CallConfig, Gap, TranscriptReport
from shared.clock import SystemClock
from shared.end_reasons import ENDINGS, EndReason
from tests.fakes.control_plane import TOKEN, FakeCall, FakeControlPlane

DEADLINE_S = 15.0


@dataclass
class HandClock:
    """Moves only when the test says so."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def now(self) -> datetime:
        return datetime.now(UTC)


async def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition never came true"
        await asyncio.sleep(0.01)


@pytest.fixture
async def plane() -> AsyncIterator[FakeControlPlane]:
    plane = FakeControlPlane()
    await plane.start()
    yield plane
    await plane.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(tmp_path, worker_id="w-1", cells=2, slots_per_cell=4)
    yield journal
    journal.close()


@asynccontextmanager
async def charging(
    journal: Journal, plane: FakeControlPlane, clock: HandClock | SystemClock
) -> AsyncIterator[None]:
    async with ChargingClient(plane.url, SecretStr(TOKEN)) as client:
        task = asyncio.create_task(Charger(journal, client, clock, 4).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


def config(**changes: object) -> CallConfig:
    call_id = uuid4()
    values: dict[str, object] = {
        "call_id": call_id,
        "epoch": 0,
        "seconds": 0,
        "granted_seconds": 0,
        "final_unit": False,
        "free_limited": False,
        "room_name": f"ro-{call_id}",
        "caller_identity": "human",
        "model": "local",
        "voice": "ara",
        "language": "en",
        "instructions": "Be brief.",
        "greeting": "Say hello.",
        "temperature": None,
        "max_output_tokens": None,
        "instructions_locked": False,
        "silence_limit_s": 120,
        "join_limit_s": 20,
        "rejoin_limit_s": 10,
    }
    return CallConfig.model_validate(values | changes)


def open_call(plane: FakeControlPlane, *, credit_seconds: int = 10_000) -> FakeCall:
    call = plane.add(config(), credit_seconds=credit_seconds)
    call.epoch = 1
    return call


def write(
    journal: Journal,
    slot: int,
    call_id: UUID,
    *,
    seconds: int,
    state: SlotState = SlotState.LIVE,
    reason: EndReason | None = None,
    epoch: int = 1,
) -> None:
    cell = journal.cell_of(slot)
    code = ENDINGS[reason].journal_code if reason else 0
    mark = Watermark(call_id, epoch, seconds, journal.generation(cell), state, code)
    journal.write_watermark(slot, mark)


async def test_a_call_is_reported_when_its_clock_starts_and_then_every_ten_seconds(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call, clock = open_call(plane), HandClock()
    async with charging(journal, plane, clock):
        for second in range(22):
            write(journal, 0, call.config.call_id, seconds=second)
            await asyncio.sleep(0.25)  # longer than a poll
            clock.now_s += 1
    assert call.settles == [0, 10, 20]


async def test_a_call_whose_clock_has_not_begun_is_not_reported(
    plane: FakeControlPlane, journal: Journal
) -> None:
    waiting, live = open_call(plane), open_call(plane)
    write(journal, 0, waiting.config.call_id, seconds=0, state=SlotState.WAITING)
    write(journal, 1, live.config.call_id, seconds=3)
    async with charging(journal, plane, HandClock()):
        await until(lambda: live.settles)
    assert waiting.settles == []


async def test_all_calls_due_go_into_one_request(plane: FakeControlPlane, journal: Journal) -> None:
    calls = [open_call(plane) for _ in range(8)]
    for slot, call in enumerate(calls):
        write(journal, slot, call.config.call_id, seconds=slot)
    async with charging(journal, plane, HandClock()):
        await until(lambda: all(call.settles for call in calls))
    reports = [body for kind, body in plane.requests if kind == "settle"]
    assert [len(report.calls) for report in reports] == [8]
    assert [call.settles for call in calls] == [[slot] for slot in range(8)]


async def test_the_grant_is_handed_to_the_call(plane: FakeControlPlane, journal: Journal) -> None:
    call = open_call(plane, credit_seconds=90)
    write(journal, 0, call.config.call_id, seconds=40)
    async with charging(journal, plane, HandClock()):
        await until(lambda: journal.answer(0))
    answer = journal.answer(0)
    assert answer is not None
    assert (answer.granted_seconds, answer.settled_seconds, answer.final_unit) == (90, 40, True)


async def test_in_the_final_minute_a_top_up_is_noticed_within_a_second(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call = open_call(plane, credit_seconds=50)
    write(journal, 0, call.config.call_id, seconds=10)
    async with charging(journal, plane, SystemClock()):
        await until(lambda: journal.answer(0))
        call.credit_seconds = 500
        call.granted, call.final = 110, False
        topped_up_s = time.monotonic()
        await until(lambda: (answer := journal.answer(0)) and answer.granted_seconds == 110)
        assert time.monotonic() - topped_up_s < 2.0


async def test_reports_go_on_as_a_heartbeat_while_a_call_is_paused(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call, clock = open_call(plane), HandClock()
    write(journal, 0, call.config.call_id, seconds=12)
    async with charging(journal, plane, clock):
        await until(lambda: len(call.settles) == 1)
        clock.now_s += SETTLE_EVERY_S
        await until(lambda: len(call.settles) == 2)
    assert call.settles == [12, 12]


@pytest.mark.parametrize("fault", ["500", "lost"])
async def test_an_unanswered_report_is_sent_again_and_counts_once(
    plane: FakeControlPlane, journal: Journal, fault: str
) -> None:
    call, clock = open_call(plane), HandClock()
    faults = iter([fault, fault])
    plane.fault = lambda route: next(faults, "") if route == "settle" else ""
    write(journal, 0, call.config.call_id, seconds=17)
    async with charging(journal, plane, clock):
        deadline_s = time.monotonic() + DEADLINE_S
        while journal.answer(0) is None:
            assert time.monotonic() < deadline_s
            clock.now_s += 0.5
            await asyncio.sleep(0.05)
    assert call.seconds == 17


@pytest.mark.parametrize("faults", [[], ["500"], ["lost"], ["lost", "500", "lost"]])
async def test_an_ended_call_is_closed_once_with_its_exact_seconds(
    plane: FakeControlPlane, journal: Journal, faults: list[str]
) -> None:
    call = open_call(plane)
    script = iter(faults)
    plane.fault = lambda route: next(script, "") if route == "close" else ""
    write(
        journal,
        0,
        call.config.call_id,
        seconds=23,
        state=SlotState.ENDED,
        reason=EndReason.CALLER_HANGUP,
    )
    async with charging(journal, plane, SystemClock()):
        await until(lambda: journal.is_settled(0))
    assert (call.seconds, call.end_reason) == (23, "caller_hangup")
    assert {close.source for close in call.closes} == {"agent"}
    answer = journal.answer(0)
    assert answer is not None
    assert answer.end_code == ENDINGS[EndReason.CALLER_HANGUP].journal_code


async def test_a_call_closed_by_somebody_else_is_told_how_it_ended(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call = open_call(plane)
    call.seconds, call.end_reason = 5, "superseded"
    write(
        journal,
        0,
        call.config.call_id,
        seconds=9,
        state=SlotState.ENDED,
        reason=EndReason.AGENT_FENCED,
    )
    async with charging(journal, plane, SystemClock()):
        await until(lambda: journal.is_settled(0))
    answer = journal.answer(0)
    assert answer is not None
    assert answer.end_code == ENDINGS[EndReason.SUPERSEDED].journal_code
    assert answer.settled_seconds == 5


async def test_a_fenced_call_is_told_to_stop_and_changes_nothing(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call = open_call(plane)
    call.epoch = 2  # another agent has it now
    write(journal, 0, call.config.call_id, seconds=30, epoch=1)
    async with charging(journal, plane, SystemClock()):
        await until(lambda: (answer := journal.answer(0)) and answer.fenced)
        write(
            journal,
            0,
            call.config.call_id,
            seconds=30,
            state=SlotState.ENDED,
            reason=EndReason.AGENT_FENCED,
        )
        await until(lambda: journal.is_settled(0))
    assert (call.seconds, call.end_reason) == (0, "")


async def test_the_calls_of_a_dead_cell_are_closed_from_the_journal_and_no_other(
    plane: FakeControlPlane, journal: Journal
) -> None:
    lost, waiting, alive = open_call(plane), open_call(plane), open_call(plane)
    write(journal, 0, lost.config.call_id, seconds=41)
    write(journal, 1, waiting.config.call_id, seconds=0, state=SlotState.WAITING)
    write(journal, 4, alive.config.call_id, seconds=12)
    async with charging(journal, plane, SystemClock()):
        await until(lambda: alive.settles)
        journal.bury(0)
        await until(lambda: journal.is_settled(0) and journal.is_settled(1))
    assert (lost.seconds, lost.end_reason, lost.closes[0].source) == (41, "agent_lost", "journal")
    assert (waiting.seconds, waiting.end_reason) == (0, "agent_lost")
    assert not alive.closed


async def test_a_control_plane_that_was_away_gets_every_number(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call, clock = open_call(plane), HandClock()
    write(journal, 0, call.config.call_id, seconds=1)
    async with charging(journal, plane, clock):
        await until(lambda: call.settles)
        await plane.stop()
        for second in range(2, 26):
            write(journal, 0, call.config.call_id, seconds=second)
            clock.now_s += 1
            await asyncio.sleep(0.05)
        await plane.start()
        clock.now_s += 5
        await until(lambda: call.seconds == 25)


async def test_a_rejected_credential_is_no_refusal_of_a_close(
    plane: FakeControlPlane, journal: Journal
) -> None:
    """A token that is being changed must not throw away the end of a call."""
    call = open_call(plane)
    write(
        journal,
        0,
        call.config.call_id,
        seconds=8,
        state=SlotState.ENDED,
        reason=EndReason.CALLER_LOST,
    )
    async with ChargingClient(plane.url, SecretStr("another-token-entirely")) as client:
        task = asyncio.create_task(Charger(journal, client, SystemClock(), 4).run())
        await asyncio.sleep(1.0)
        assert not journal.is_settled(0)
        task.cancel()
        await asyncio.wait([task])
    async with charging(journal, plane, SystemClock()):
        await until(lambda: journal.is_settled(0))
    assert call.seconds == 8


async def test_a_restarted_charger_goes_on_where_the_last_one_was_killed(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call = open_call(plane)
    write(journal, 0, call.config.call_id, seconds=10)
    async with charging(journal, plane, HandClock()):
        await until(lambda: call.settles)
    write(journal, 0, call.config.call_id, seconds=20)
    async with charging(journal, plane, HandClock()):
        await until(lambda: call.seconds == 20)


async def test_the_heartbeat_offers_what_ready_cells_can_hold(
    plane: FakeControlPlane, journal: Journal
) -> None:
    async with charging(journal, plane, SystemClock()):
        await until(lambda: plane.workers.get("w-1") == 0)
        journal.set_ready(1, ready=True)
        await until(lambda: plane.workers.get("w-1") == 4)
        journal.set_mode(Mode.DRAINING)
        await until(lambda: plane.workers.get("w-1") == 0)


async def test_a_slot_is_never_written_for_a_call_that_has_left_it(
    plane: FakeControlPlane, journal: Journal
) -> None:
    """The answer of a slow report arrives when the slot holds the next call."""
    first, second = open_call(plane), open_call(plane)
    plane.delay_s = 0.5
    write(journal, 0, first.config.call_id, seconds=3)
    async with charging(journal, plane, SystemClock()):
        await asyncio.sleep(0.35)  # the report is under way
        write(journal, 0, second.config.call_id, seconds=0)
        await until(lambda: second.settles)
        await until(lambda: journal.answer(0))
    answer = journal.answer(0)
    assert answer is not None
    assert answer.call_id == second.config.call_id


async def test_the_dead_of_this_machine_are_buried_and_their_file_removed(
    plane: FakeControlPlane, tmp_path: Path
) -> None:
    live_call, ended_call = open_call(plane), open_call(plane)
    dead = Journal.create(tmp_path, worker_id="w-dead", cells=1, slots_per_cell=3)
    write(dead, 0, live_call.config.call_id, seconds=57)
    write(
        dead,
        1,
        ended_call.config.call_id,
        seconds=5,
        state=SlotState.ENDED,
        reason=EndReason.CALLER_SILENT,
    )
    dead.close()
    (tmp_path / "rubbish.journal").write_bytes(b"rubbish")
    faults = iter(["500", "lost"])
    plane.fault = lambda route: next(faults, "") if route == "close" else ""
    async with ChargingClient(plane.url, SecretStr(TOKEN)) as client:
        task = asyncio.create_task(close_the_dead(tmp_path, client))
        await until(lambda: not dead.path.exists())
        task.cancel()
        await asyncio.wait([task])
    assert (live_call.seconds, live_call.end_reason) == (57, "agent_lost")
    assert (ended_call.seconds, ended_call.end_reason) == (5, "caller_silent")
    assert live_call.closes[0].worker_id == "w-dead"


async def test_a_batch_that_is_refused_ends_no_call(
    plane: FakeControlPlane, journal: Journal
) -> None:
    call = open_call(plane)

    write(journal, 0, call.config.call_id, seconds=6)
    plane.fault = lambda route: "422" if route == "settle" else ""
    async with charging(journal, plane, SystemClock()):
        await asyncio.sleep(0.8)
        assert journal.answer(0) is None
        plane.fault = lambda _route: ""
        await until(lambda: journal.answer(0))
    assert call.seconds == 6


async def test_what_is_empty_is_not_sent_since_an_older_control_plane_may_not_know_it() -> None:
    """While a new version goes out, agents are newer than web processes, which forbid the rest."""
    sent: list[dict[str, object]] = []

    async def take(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/internal/v1/calls/{id}/transcript", take)
    gap = Gap(index=0, at_s=0, lasted_s=0.5, cause="media_lost")
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with ChargingClient(url, SecretStr(TOKEN)) as client:
            await client.post_transcript(uuid4(), TranscriptReport(epoch=1, items=[]))
            await client.post_transcript(uuid4(), TranscriptReport(epoch=1, items=[], gaps=[gap]))
    assert sent == [
        {"epoch": 1, "items": []},
        {
            "epoch": 1,
            "items": [],
            "gaps": [{"index": 0, "at_s": 0, "lasted_s": 0.5, "cause": "media_lost"}],
        },
    ]
