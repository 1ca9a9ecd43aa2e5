"""Work after the answer: bounded, and never louder than a log line."""

import asyncio

from control_plane.background import TASKS_MAX, Background


async def test_what_is_under_way_is_waited_for() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    tasks = Background()
    tasks.start(work(), kind="test")
    await tasks.close()
    assert done == [1]


async def test_more_than_the_limit_is_dropped_and_a_failure_stops_nobody() -> None:
    release = asyncio.Event()
    done = []

    async def work(number: int) -> None:
        await release.wait()
        done.append(number)
        if number % 2:
            raise OSError("nobody hears this")

    tasks = Background()
    for number in range(TASKS_MAX + 5):
        tasks.start(work(number), kind="test")
    await asyncio.sleep(0)
    release.set()
    await tasks.close()
    assert done == list(range(TASKS_MAX))


async def test_work_that_hangs_does_not_hold_up_the_end() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    tasks = Background(close_grace_s=0.02)
    tasks.start(hang(), kind="test")
    async with asyncio.timeout(1):
        await tasks.close()
