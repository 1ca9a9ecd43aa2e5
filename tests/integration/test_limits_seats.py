"""Work in flight, counted on real Redis over processes that crash, cancel and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from control_plane.limits.occupancy import Occupancy, TooBusy
from shared.ids import new_uuid
from tests.integration.limits_rig import CLOCK, limits_redis, redis_by_cable


class Offices:
    """Makes instances that each have a client of their own, like processes."""

    def __init__(self, redis_url: str, stack: AsyncExitStack) -> None:
        self._redis_url = redis_url
        self._stack = stack

    async def open(self, *, lease_s: float = 30.0) -> Occupancy:
        client = await self._stack.enter_async_context(limits_redis(self._redis_url))
        office = Occupancy(client, CLOCK, lease_s=lease_s)
        self._stack.push_async_callback(office.close)
        return office


@pytest_asyncio.fixture
async def offices(redis_url: str) -> AsyncIterator[Offices]:
    async with AsyncExitStack() as stack:
        yield Offices(redis_url, stack)


def somebody() -> str:
    return str(new_uuid())


async def is_free(office: Occupancy, who: str, *, limit: int) -> bool:
    try:
        async with office.seat("test", who, limit=limit):
            return True
    except TooBusy:
        return False


async def until_free(office: Occupancy, who: str, *, limit: int, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not await is_free(office, who, limit=limit):
            await asyncio.sleep(0.01)


async def test_seats_are_counted_over_two_processes(offices: Offices) -> None:
    one, other, who = await offices.open(), await offices.open(), somebody()

    async with one.seat("test", who, limit=2), other.seat("test", who, limit=2):
        for office in (one, other):
            with pytest.raises(TooBusy) as refused:
                async with office.seat("test", who, limit=2):
                    pytest.fail("there were two seats")
            assert refused.value.retry_after_s > 0
        assert await is_free(one, somebody(), limit=2)

    await until_free(one, who, limit=1)


async def test_a_thousand_at_once_get_the_seats_there_are(offices: Offices) -> None:
    one, other, who = await offices.open(), await offices.open(), somebody()
    over = asyncio.Event()

    async def work(office: Occupancy) -> bool:
        try:
            async with office.seat("test", who, limit=8):
                await over.wait()
        except TooBusy:
            return False
        return True

    tasks = [asyncio.create_task(work(office)) for office in (one, other) for _ in range(500)]
    async with asyncio.timeout(20):
        while sum(task.done() for task in tasks) < 992:
            await asyncio.sleep(0.01)
    over.set()

    assert sum(await asyncio.gather(*tasks)) == 8
    await until_free(one, who, limit=1)


@pytest.mark.parametrize("how", ["exception", "cancellation"])
async def test_a_seat_is_given_back_whatever_happens(offices: Offices, how: str) -> None:
    office, other, who = await offices.open(), await offices.open(), somebody()
    seated = asyncio.Event()

    async def work() -> None:
        async with office.seat("test", who, limit=1):
            seated.set()
            if how == "exception":
                raise ValueError(how)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await seated.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await until_free(other, who, limit=1)
    assert office.held("test", who) == 0


async def test_who_is_cancelled_on_the_way_to_a_seat_occupies_none(offices: Offices) -> None:
    """Redis may have given the seat while its answer was on the way."""
    office, other, who = await offices.open(), await offices.open(), somebody()
    await is_free(office, who, limit=1)  # the connection is made
    for turns in range(300):
        task = asyncio.create_task(is_free(office, who, limit=1_000))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await until_free(other, who, limit=1)


async def test_seats_of_a_crashed_process_come_back_by_themselves(offices: Offices) -> None:
    crashed, other, who = await offices.open(lease_s=0.5), await offices.open(), somebody()
    seat = crashed.seat("test", who, limit=1)
    await seat.__aenter__()
    assert crashed._renewing
    crashed._renewing.cancel()  # what a crash does to it

    assert not await is_free(other, who, limit=1)

    await until_free(other, who, limit=1)
    await seat.__aexit__(None, None, None)


async def test_a_crashed_seat_ends_beside_one_that_is_renewed(offices: Offices) -> None:
    crashed, holder, who = await offices.open(lease_s=0.5), await offices.open(), somebody()
    seat = crashed.seat("test", who, limit=2)
    await seat.__aenter__()
    assert crashed._renewing
    crashed._renewing.cancel()

    async with holder.seat("test", who, limit=2):
        assert not await is_free(holder, who, limit=2)
        await until_free(holder, who, limit=2)
    await seat.__aexit__(None, None, None)


async def test_a_seat_outlives_its_lease_while_it_is_held(offices: Offices) -> None:
    holder, other, who = await offices.open(lease_s=0.3), await offices.open(), somebody()
    async with holder.seat("test", who, limit=1):
        began = CLOCK.monotonic()
        while CLOCK.monotonic() - began < 1.0:
            assert not await is_free(other, who, limit=1)
            await asyncio.sleep(0.02)
    await until_free(other, who, limit=1)


async def test_without_redis_a_process_counts_its_own() -> None:
    office, who = Occupancy(None, CLOCK), somebody()
    async with office.seat("test", who, limit=1):
        assert not await is_free(office, who, limit=1)
    assert await is_free(office, who, limit=1)


async def test_seats_taken_without_redis_count_when_it_is_back(
    redis_url: str, offices: Offices
) -> None:
    other, who = await offices.open(), somebody()
    async with redis_by_cable(redis_url) as (client, cable):
        office = Occupancy(client, CLOCK, lease_s=0.6)
        await cable.cut()
        async with office.seat("test", who, limit=1):
            assert not await is_free(office, who, limit=1)  # counted here
            assert await is_free(other, who, limit=1)  # and nowhere else

            await cable.plug_in()

            async with asyncio.timeout(10):
                while await is_free(other, who, limit=1):
                    await asyncio.sleep(0.02)
        await until_free(other, who, limit=1)
        await office.close()


async def test_a_seat_of_before_counts_while_redis_is_gone(redis_url: str) -> None:
    who = somebody()
    async with redis_by_cable(redis_url) as (client, cable):
        office = Occupancy(client, CLOCK)
        async with office.seat("test", who, limit=1):
            await cable.cut()
            assert not await is_free(office, who, limit=1)
        assert await is_free(office, who, limit=1)
        await office.close()
