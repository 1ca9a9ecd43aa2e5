"""Single numbers of speech by REST: first sound, an API key's check, memory of work in flight."""

import asyncio
import resource
import statistics
from dataclasses import dataclass

import aiohttp
import psutil
from pydantic import SecretStr

from control_plane.key_ring import open_key_ring
from local.bench.process_tree import MIB
from local.bench.speech_stack import VOICE, SpeechBench
from local.environment import api_key_secret
from shared.clock import SystemClock
from shared.db import open_pool
from shared.settings import PostgresSettings

_CLOCK = SystemClock()
STREAMS = 60
CHECKS = 20_000
IN_FLIGHT = 200
AT_ONCE = 10
TEXT_OF_1_MB = "A sentence of forty characters, or so it is. " * 7  # 21 seconds
WATCH_S = 0.02
ALL_ASKED_S = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    name: str
    value: float
    unit: str


async def measure_costs(bench: SpeechBench) -> list[Cost]:
    return [*await _first_byte(bench), await _key_check(bench), *await _memory(bench)]


async def _first_byte(bench: SpeechBench) -> list[Cost]:
    """Pairs of the provider alone and through us, each text new."""
    direct, ours = [], []
    headers = bench.customer.key_headers
    own = f"{bench.stack.control_plane_url}/v1/audio/speech"
    async with aiohttp.ClientSession(headers=headers) as http:
        for number in range(STREAMS):
            text = f"How long does it take until the first sound of number {number}?"
            direct.append(await _first_byte_ms(http, f"{bench.provider.url}/audio/speech", text))
            ours.append(await _first_byte_ms(http, own, text))
    more = [through - alone for through, alone in zip(ours[5:], direct[5:], strict=True)]
    return [
        Cost("first byte, the provider's own", statistics.median(direct[5:]), "ms"),
        Cost("first byte, how much later ours is", statistics.median(more), "ms"),
    ]


async def _first_byte_ms(http: aiohttp.ClientSession, url: str, text: str) -> float:
    body = {"model": "gpt-4o-mini-tts", "voice": VOICE, "input": text, "response_format": "pcm"}
    began_s = _CLOCK.monotonic()
    async with http.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()  # noqa: PLR2004 - HTTP's OK
        await answer.content.readany()
        first_s = _CLOCK.monotonic()
        await answer.read()
    return (first_s - began_s) * 1_000


async def _key_check(bench: SpeechBench) -> Cost:
    """CPU of this process, with the look-up that comes once in some seconds."""
    settings = PostgresSettings(database_url=SecretStr(bench.stack.database_url))
    pool = await open_pool(settings, application_name="bench")
    secret = SecretStr(api_key_secret(bench.stack.layout.data))
    try:
        async with open_key_ring(pool, _CLOCK, hmac_secret=secret) as ring:
            began_s = _cpu_s()
            for _ in range(CHECKS):
                await ring.check(bench.customer.api_key)
            return Cost("check of an API key, CPU", (_cpu_s() - began_s) / CHECKS * 1_000, "ms")
    finally:
        await pool.close()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _memory(bench: SpeechBench) -> list[Cost]:
    """The provider answers nobody until everybody has asked; then all answers come at once."""
    process = psutil.Process(bench.stack.pid_of("web"))
    idle = process.memory_info().rss
    bench.provider.gate.clear()
    bench.provider.asked = 0
    peak = idle
    async with aiohttp.ClientSession(
        headers=bench.customer.key_headers, connector=aiohttp.TCPConnector(limit=0)
    ) as http:
        tasks = []
        for number in range(IN_FLIGHT):  # a few at a time: connecting is not what is measured
            tasks.append(asyncio.create_task(_generate(bench, http, number)))
            await _until_asked(bench, number + 1 - AT_ONCE, tasks)
        await _until_asked(bench, IN_FLIGHT, tasks)
        waiting = process.memory_info().rss
        bench.provider.gate.set()
        while not all(task.done() for task in tasks):
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(WATCH_S)
        await asyncio.gather(*tasks)
    return [
        Cost("web process, idle", idle / MIB, "MiB"),
        Cost(f"... while {IN_FLIGHT} generations wait for the provider", waiting / MIB, "MiB"),
        Cost(f"... at most, while {IN_FLIGHT} answers of 1 MB arrive at once", peak / MIB, "MiB"),
    ]


async def _generate(bench: SpeechBench, http: aiohttp.ClientSession, number: int) -> None:
    body = {"input": f"{TEXT_OF_1_MB}{number}", "voiceId": bench.customer.voice_id}
    async with http.post(f"{bench.stack.control_plane_url}/api/v1/speech", json=body) as answer:
        assert answer.status == 200, await answer.text()  # noqa: PLR2004 - HTTP's OK


async def _until_asked(bench: SpeechBench, number: int, tasks: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(ALL_ASKED_S):
        while bench.provider.asked < number and not any(task.done() for task in tasks):
            await asyncio.sleep(WATCH_S)
