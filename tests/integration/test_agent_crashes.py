"""Whatever dies, no call is over-billed, and every call is closed by whoever survives."""

import asyncio
import functools
import math
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.agent_rig import Rig, config, running_rig, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


async def fault(rig: Rig, **faults: Any) -> None:
    """Tell the local voice to misbehave; nothing clears it."""
    url = rig.stack.env["OPENAI_BASE_URL"].removesuffix("/v1")
    async with httpx2.AsyncClient(trust_env=False) as client:
        (await client.post(f"{url}/faults", json=faults)).raise_for_status()


async def test_a_killed_cell_ends_its_calls_with_the_journals_seconds_and_no_other(
    rig: Rig,
) -> None:
    async with rig.worker(processes=2) as worker:
        calls, callers = [rig.plane.add(config())], []
        callers.append(await rig.ring(calls[0]))
        struck = worker.cell_of(calls[0].config.call_id)
        while all(worker.cell_of(call.config.call_id) == struck for call in calls):
            calls.append(rig.plane.add(config()))
            callers.append(await rig.ring(calls[-1]))
        await asyncio.sleep(3.5)
        worker.kill_cell(struck)
        killed_s = time.monotonic()
        for call, caller in zip(calls[:-1], callers, strict=False):
            await until(functools.partial(getattr, call, "closed"))
            talked_s = killed_s - caller.first_heard_s
            assert (call.end_reason, call.closes[0].source) == ("agent_lost", "journal")
            assert talked_s - 1.2 <= call.seconds <= math.ceil(talked_s)
        assert time.monotonic() - killed_s < 3.0
        assert not calls[-1].closed
        # The cell comes back and takes calls again.
        await until(lambda: rig.plane.workers[worker.worker_id] == 8)
        for caller in callers:
            await caller.leave()
        await until(lambda: calls[-1].closed)
        assert calls[-1].end_reason == "caller_hangup"


async def test_when_the_whole_group_is_killed_the_next_one_closes_its_calls(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker() as worker:
        caller = await rig.ring(call)
        await asyncio.sleep(3.4)
        worker.kill()
        talked_s = time.monotonic() - caller.first_heard_s
        await worker.process.wait()
    assert not call.closed
    async with rig.worker():
        await until(lambda: call.closed)
    assert (call.end_reason, call.closes[0].source) == ("agent_lost", "journal")
    assert talked_s - 1.2 <= call.seconds <= math.ceil(talked_s)
    await caller.leave()


async def test_a_killed_charger_is_replaced_and_no_number_is_lost(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker() as worker:
        caller = await rig.ring(call)
        charger = worker.children[0]
        os.kill(charger, signal.SIGKILL)
        await asyncio.sleep(3)
        await caller.leave()
        await until(lambda: call.closed)
    assert call.end_reason == "caller_hangup"
    assert caller.talked_s - 1 <= call.seconds <= math.ceil(caller.talked_s)


async def test_a_call_goes_on_while_the_control_plane_is_away_and_settles_exactly(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker():
        caller = await rig.ring(call)
        await asyncio.sleep(1)
        await rig.plane.stop()
        await asyncio.sleep(20)
        assert not caller.left_s
        await rig.plane.start()
        await until(lambda: call.seconds >= 20)
        await caller.leave()
        await until(lambda: call.closed)
    assert call.end_reason == "caller_hangup"
    assert caller.talked_s - 1 <= call.seconds <= math.ceil(caller.talked_s)


async def test_a_call_that_ends_while_the_control_plane_is_away_is_closed_later(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker() as worker:
        caller = await rig.ring(call)
        await rig.plane.stop()
        await asyncio.sleep(2)
        await caller.leave()
        await asyncio.sleep(1)
        worker.process.terminate()  # even an orderly stop waits for the delivery
        await asyncio.sleep(1)
        await rig.plane.start()
        await until(lambda: call.closed)
        assert await asyncio.wait_for(worker.process.wait(), 30) == 0
    assert caller.talked_s - 1 <= call.seconds <= math.ceil(caller.talked_s)
    assert not list(rig.folder.glob("*.journal"))


async def test_a_provider_that_fails_ends_the_call_at_its_cost(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker():
        caller = await rig.ring(call)
        await asyncio.sleep(3.3)
        await fault(rig, refuse=True, drop_after_s=0)
        failed_s = time.monotonic()
        await until(lambda: call.closed)
        await fault(rig)
        await until(lambda: "ended" in caller.notice_kinds)
        assert caller.meters[-1].state == "ended"
        await caller.leave()
    assert call.end_reason == "provider_error"
    assert call.seconds <= math.ceil(failed_s - caller.first_heard_s)
    assert caller.rpcs[-1][1]["error"] == "provider_error"


async def test_a_provider_that_is_back_soon_costs_the_caller_nothing_meanwhile(rig: Rig) -> None:
    call = rig.plane.add(config())
    async with rig.worker():
        caller = await rig.ring(call)
        await asyncio.sleep(3)
        await fault(rig, refuse=True, drop_after_s=0)
        await until(lambda: caller.meters[-1].state == "paused")
        down_s = time.monotonic()
        await asyncio.sleep(1)
        await fault(rig)
        await until(lambda: caller.meters[-1].state == "running")
        gap_s = time.monotonic() - down_s
        await asyncio.sleep(1.5)
        await caller.leave()
        await until(lambda: call.closed)
    assert call.end_reason == "caller_hangup"
    assert call.seconds <= math.ceil(caller.talked_s - gap_s + 0.5)


async def test_a_provider_that_stops_answering_is_noticed_and_not_paid_for(rig: Rig) -> None:
    """The socket stays open and says nothing more."""
    call = rig.plane.add(config(rejoin_limit_s=4))
    async with rig.worker():
        caller = await rig.ring(call)
        await asyncio.sleep(3)
        await fault(rig, stall=True)
        stalled_s = time.monotonic()
        await until(lambda: caller.meters[-1].state == "paused")
        noticed_s = time.monotonic() - stalled_s
        await until(lambda: call.closed)
        await fault(rig)
        await caller.leave()
    assert call.end_reason == "provider_error"
    assert noticed_s < 15
    assert call.seconds <= math.ceil(stalled_s + noticed_s - caller.first_heard_s)


async def test_draining_lets_calls_finish_and_a_second_signal_ends_them(rig: Rig) -> None:
    finishing, ended = rig.plane.add(config()), rig.plane.add(config())
    async with rig.worker() as worker:
        callers = [await rig.ring(finishing), await rig.ring(ended)]
        worker.process.terminate()
        await until(lambda: rig.plane.workers[worker.worker_id] == 0)
        late = rig.plane.add(config())
        await rig.dispatch(late)
        await asyncio.sleep(3)
        assert late.job_id == ""
        assert not finishing.closed
        await callers[0].leave()
        await until(lambda: finishing.closed)
        worker.process.terminate()
        await until(lambda: ended.closed)
        assert await asyncio.wait_for(worker.process.wait(), 30) == 0
    await callers[1].leave()
    assert (finishing.end_reason, ended.end_reason) == ("caller_hangup", "worker_shutdown")
    assert ended.seconds <= math.ceil(callers[1].talked_s)


async def test_a_signal_to_the_whole_group_ends_no_call(rig: Rig) -> None:
    """A supervisor such as systemd signals every process of the service at once."""
    call = rig.plane.add(config())
    async with rig.worker() as worker:
        caller = await rig.ring(call)
        for pid in [worker.process.pid, *worker.children]:
            os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(2)
        assert not call.closed
        await caller.leave()
        assert await asyncio.wait_for(worker.process.wait(), 30) == 0
    assert call.end_reason == "caller_hangup"


async def test_a_killed_livekit_server_ends_the_call_and_over_bills_nobody(rig: Rig) -> None:
    call = rig.plane.add(config(rejoin_limit_s=3))
    async with rig.worker():
        caller = await rig.ring(call)
        await asyncio.sleep(3.4)
        rig.stack.kill("livekit")
        talked_s = time.monotonic() - caller.first_heard_s
        await until(lambda: call.closed, deadline_s=40)
        await rig.stack.start_process("livekit")
        await caller.leave()
    assert call.end_reason == "media_lost"
    assert talked_s - 1.2 <= call.seconds <= math.ceil(talked_s)


async def test_a_cell_is_renewed_after_many_calls_and_no_call_notices(rig: Rig) -> None:
    async with rig.worker(AGENT_CALLS_PER_RENEWAL="1") as worker:
        first_cell = worker.children[1]
        staying, leaving = rig.plane.add(config()), rig.plane.add(config())
        callers = [await rig.ring(staying), await rig.ring(leaving)]
        await callers[1].leave()
        await until(lambda: leaving.closed)
        await until(lambda: rig.plane.workers[worker.worker_id] == 0)
        assert worker.children[1] == first_cell
        assert not staying.closed
        await callers[0].leave()
        await until(lambda: staying.closed)
        await until(lambda: rig.plane.workers[worker.worker_id] == 4)
        assert worker.children[1] != first_cell
        again = rig.plane.add(config())
        caller = await rig.ring(again)
        await caller.leave()
        await until(lambda: again.closed)
    assert [call.end_reason for call in (staying, leaving, again)] == ["caller_hangup"] * 3
