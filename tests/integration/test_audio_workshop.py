"""The workshop with its real worker processes: what comes out of it, and what a death costs."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from control_plane.audio.limits import WorkerLimits
from control_plane.audio.port import AudioFormat, AudioTooLong, BadAudio
from control_plane.audio.settings import AudioSettings
from control_plane.audio.worker_pool import WorkshopBusy
from control_plane.audio.workshop import ProcessWorkshop, open_workshop
from shared.errors import Unavailable
from tests import sounds

SPEECH = sounds.murmur(3.0)
ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def workshop() -> AsyncIterator[ProcessWorkshop]:
    async with open_workshop(settings()) as opened:
        yield opened


def settings(**changes: Any) -> AudioSettings:
    return AudioSettings.model_validate({"audio_workers": 1, **changes})


async def until(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def long_task(workshop: ProcessWorkshop) -> "asyncio.Task[bytes]":
    """Work for a few seconds, with a worker that has begun it."""
    minutes = sounds.tone(60.0) * 5
    task = asyncio.create_task(workshop.encode(minutes, AudioFormat.MP3))
    await until(lambda: any(cpu_s(pid) > 0.6 for pid in workshop.pool.pids))
    return task


@pytest.mark.parametrize("audio_format", AudioFormat)
async def test_every_format_comes_back_as_it_went(
    workshop: ProcessWorkshop, audio_format: AudioFormat
) -> None:
    made = await workshop.encode(SPEECH, audio_format)
    heard = await workshop.decode(made, media_type=audio_format.media_type, max_s=10)

    assert abs(heard.facts.duration_ms - 3000) <= 60
    assert sounds.energy(heard.pcm) == pytest.approx(sounds.energy(SPEECH), rel=0.1)
    assert heard.facts.channels == 1
    assert heard.facts.duration_ms == round(sounds.duration_ms(heard.pcm))


async def test_bare_pcm_of_another_rate_and_shape_becomes_ours(workshop: ProcessWorkshop) -> None:
    stereo_48k = b"".join(SPEECH[i : i + 2] * 4 for i in range(0, len(SPEECH), 2))

    heard = await workshop.decode(
        stereo_48k, media_type="audio/L16; codec=pcm; rate=48000; channels=2", max_s=10
    )

    assert (heard.facts.sample_rate_hz, heard.facts.channels) == (48_000, 2)
    assert abs(heard.facts.duration_ms - 3000) <= 10
    assert sounds.energy(heard.pcm) == pytest.approx(sounds.energy(SPEECH), rel=0.1)


async def test_facts_are_measured(workshop: ProcessWorkshop) -> None:
    """A sine of -20 dBFS has -23 LUFS on one channel (BS.1770, table of EBU Tech 3341)."""
    pcm = sounds.silence(1.0) + sounds.tone(4.0, hz=1000, level=0.1) + sounds.silence(1.0)
    facts = (await workshop.decode(pcm, media_type="audio/pcm", max_s=10)).facts

    assert facts.codec == "pcm_s16le"
    assert facts.duration_ms == 6000
    assert facts.peak_dbfs == pytest.approx(-20.0, abs=0.05)
    assert facts.loudness_lufs == pytest.approx(-23.0, abs=0.3)
    assert facts.voiced_ms == pytest.approx(4000, abs=20)


async def test_silence_is_told_as_such(workshop: ProcessWorkshop) -> None:
    facts = (await workshop.decode(sounds.silence(1), media_type="audio/pcm", max_s=10)).facts
    assert (facts.peak_dbfs, facts.loudness_lufs, facts.voiced_ms) == (-100.0, -70.0, 0)


async def test_what_is_too_long_is_refused_and_what_is_allowed_is_cut(
    workshop: ProcessWorkshop,
) -> None:
    flac = await workshop.encode(SPEECH, AudioFormat.FLAC)
    with pytest.raises(AudioTooLong):
        await workshop.decode(flac, media_type="audio/flac", max_s=2.9, trim_s=1.0)
    whole = await workshop.decode(flac, media_type="audio/flac", max_s=3.0)
    assert whole.pcm == SPEECH
    cut = await workshop.decode(flac, media_type="audio/flac", max_s=3.0, trim_s=1.25)
    assert cut.pcm == SPEECH[:60_000]
    assert cut.facts.duration_ms == 1250


async def test_pieces_are_joined_by_a_worker(workshop: ProcessWorkshop) -> None:
    joined = await workshop.join([SPEECH, b"", SPEECH])
    assert sounds.duration_ms(joined) == 6150


async def test_a_worker_starts_with_the_first_task_and_stays(workshop: ProcessWorkshop) -> None:
    assert workshop.pool.pids == []
    await workshop.encode(SPEECH, AudioFormat.FLAC)
    (pid,) = workshop.pool.pids
    await workshop.encode(SPEECH, AudioFormat.FLAC)
    assert workshop.pool.pids == [pid]


async def test_a_killed_worker_costs_its_task_a_second_try(workshop: ProcessWorkshop) -> None:
    task = await long_task(workshop)
    (pid,) = workshop.pool.pids
    os.kill(pid, signal.SIGKILL)

    assert (await task)[:1] in {b"I", b"\xff"}
    assert workshop.pool.pids != [pid]


async def test_a_task_whose_workers_are_killed_is_given_up_and_the_next_one_works(
    workshop: ProcessWorkshop,
) -> None:
    task = await long_task(workshop)
    killed: list[int] = []
    while not task.done():
        for pid in set(workshop.pool.pids) - set(killed):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        await asyncio.sleep(0.01)

    with pytest.raises(Unavailable):
        await task
    assert len(killed) == 2
    assert await workshop.encode(SPEECH, AudioFormat.FLAC)


async def test_an_idle_worker_that_died_is_not_noticed(workshop: ProcessWorkshop) -> None:
    await workshop.encode(SPEECH, AudioFormat.FLAC)
    os.kill(workshop.pool.pids[0], signal.SIGKILL)
    assert await workshop.encode(SPEECH, AudioFormat.FLAC)


async def test_a_stopped_worker_is_replaced_in_time() -> None:
    async with open_workshop(settings(), limits=WorkerLimits(wall_s=3.0)) as workshop:
        await workshop.encode(SPEECH, AudioFormat.FLAC)
        (pid,) = workshop.pool.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await workshop.encode(SPEECH, AudioFormat.FLAC)
        await until(lambda: not is_running(pid))
        assert await workshop.encode(SPEECH, AudioFormat.FLAC)


async def test_too_much_cpu_ends_a_worker_and_blames_the_recording() -> None:
    async with open_workshop(settings()) as workshop:
        minute = await workshop.encode(sounds.tone(60.0), AudioFormat.AAC)
    async with open_workshop(settings(), limits=WorkerLimits(cpu_s=1)) as workshop:
        with pytest.raises(BadAudio):
            await workshop.decode(minute * 25, media_type="audio/aac", max_s=1800)
        assert await workshop.encode(SPEECH, AudioFormat.FLAC)


async def test_too_much_memory_ends_a_worker_and_blames_the_recording() -> None:
    async with open_workshop(settings()) as workshop:
        long = await workshop.encode(sounds.silence(60) * 30, AudioFormat.FLAC)
    async with open_workshop(settings(), limits=WorkerLimits(memory_mb=320)) as workshop:
        assert await workshop.decode(SPEECH, media_type="audio/pcm", max_s=10)
        (pid,) = workshop.pool.pids
        with pytest.raises(BadAudio):
            await workshop.decode(long, media_type="audio/flac", max_s=1800)
        await until(lambda: not is_running(pid))
        assert await workshop.decode(SPEECH, media_type="audio/pcm", max_s=10)


async def test_more_tasks_than_may_wait_are_refused_at_once() -> None:
    async with open_workshop(settings(audio_queue_max=1)) as workshop:
        working = await long_task(workshop)
        waiting = asyncio.create_task(workshop.encode(SPEECH, AudioFormat.FLAC))
        await asyncio.sleep(0)
        with pytest.raises(WorkshopBusy):
            await workshop.encode(SPEECH, AudioFormat.FLAC)
        working.cancel()
        assert await waiting


async def test_work_for_nobody_is_ended(workshop: ProcessWorkshop) -> None:
    task = await long_task(workshop)
    (pid,) = workshop.pool.pids
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not is_running(pid), timeout_s=2.0)
    assert await workshop.encode(SPEECH, AudioFormat.FLAC)


async def test_a_closed_workshop_leaves_no_process() -> None:
    async with open_workshop(settings(audio_workers=2)) as workshop:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(workshop.encode(SPEECH, AudioFormat.OPUS))
        pids = workshop.pool.pids
        assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


async def test_a_worker_ends_with_its_server() -> None:
    script = """
        import asyncio, os, sys
        from control_plane.audio.settings import AudioSettings
        from control_plane.audio.workshop import open_workshop
        from control_plane.audio.port import AudioFormat

        async def main():
            async with open_workshop(AudioSettings()) as workshop:
                await workshop.encode(bytes(48000), AudioFormat.FLAC)
                print(*workshop.pool.pids, flush=True)
                os.kill(os.getpid(), 9)

        asyncio.run(main())
    """
    server = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
    )
    assert server.returncode == -signal.SIGKILL
    pid = int(server.stdout)
    await until(lambda: not is_running(pid), timeout_s=5.0)


async def test_a_worker_knows_no_secret(
    workshop: ProcessWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:hunter2@/")
    await workshop.encode(SPEECH, AudioFormat.FLAC)
    environment = environment_of(workshop.pool.pids[0])
    assert b"hunter2" not in environment
    assert {line.split(b"=")[0] for line in environment.split(b"\0")} - {b""} <= {
        b"PATH",
        b"LD_LIBRARY_PATH",
        b"OPENBLAS_NUM_THREADS",
        b"OMP_NUM_THREADS",
    }


def test_the_server_starts_without_ffmpeg_and_numpy() -> None:
    """They cost 35 MB and a third of a second, and belong where foreign audio is."""
    loaded = "print(sorted({'av', 'numpy'} & sys.modules.keys()))"
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys; import control_plane.audio.workshop; {loaded}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert printed.stdout == "[]\n"
