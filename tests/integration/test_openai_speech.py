"""OpenAI's own SDK against our web process: what it reads, what it raises, what it costs."""

import asyncio
import base64
import io
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import av
import httpx2
import openai
import pytest
import pytest_asyncio

from tests import builders
from tests.fakes.reading_voice import CHARS_PER_S, ReadingVoice, reading_voice
from tests.integration.program import Program, program_of, until
from tests.integration.served_web import served_program
from tests.stack import with_database
from tests.web_process import Media, no_media_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = itertools.count(100)


@dataclass(frozen=True, slots=True)
class Served:
    """One process for all tests here; each has an account and a text of its own."""

    program: Program
    voice: ReadingVoice
    dsn: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    postgres_dsn: str, template_database: str, no_media_here: Media
) -> AsyncIterator[Served]:
    name = f"openai_{secrets.token_hex(4)}"
    await _execute(postgres_dsn, f'create database "{name}" template "{template_database}"')
    dsn = with_database(postgres_dsn, name)
    async with reading_voice() as voice, served_program(dsn, no_media_here, voice) as program:
        yield Served(program, voice, dsn)


@pytest.fixture(scope="module")
def no_media_here() -> Media:
    return no_media_server()


@pytest_asyncio.fixture(loop_scope="module")
async def voice(served: Served) -> ReadingVoice:
    served.voice.reset()
    return served.voice


@pytest_asyncio.fixture(loop_scope="module")
async def program(served: Served, voice: ReadingVoice) -> AsyncIterator[Program]:
    asking = await program_of(served.program.web)
    yield asking
    assert await builders.violations(asking.web.db) == []


@pytest_asyncio.fixture(loop_scope="module")
async def client(program: Program) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key=program.key.key, base_url=f"{program.web.client.base_url}/v1", max_retries=0
    ) as made:
        yield made


@pytest.fixture
def text() -> str:
    """A new one: what another test had spoken would come from the cache."""
    return f"The lamp of house {next(_numbers)} has been burning since nobody knows when at all."


def seconds_in(text: str) -> float:
    """How long the voice reads it."""
    return len(text) / CHARS_PER_S


def seconds_of(data: bytes, *, form: str) -> float:
    if form == "pcm":
        return len(data) / 48_000
    with av.open(io.BytesIO(data), "r") as container:
        return sum(float(frame.samples / frame.sample_rate) for frame in container.decode(audio=0))


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_every_format_is_the_whole_text(
    client: openai.AsyncOpenAI, program: Program, form: Any, text: str
) -> None:
    answer = await client.audio.speech.create(
        model="tts-1", voice="alloy", input=text, response_format=form
    )

    assert seconds_of(answer.content, form=form) == pytest.approx(seconds_in(text), abs=0.25)
    assert answer.response.headers["x-sexycall-max-cost-credits"] == str(len(text))
    await until(lambda: _is_paid(program, len(text)))


async def test_audio_arrives_while_the_provider_still_speaks(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    voice.middle.clear()
    heard = bytearray()

    async with client.audio.speech.with_streaming_response.create(
        model="local", voice="ara", input=text, response_format="pcm"
    ) as answer:
        pieces = answer.iter_bytes()
        heard += await asyncio.wait_for(anext(pieces), 10)
        assert await program.money() == (10_000, len(text))  # held, not paid
        assert 0 < len(heard) < seconds_in(text) * 48_000 * 0.6
        voice.middle.set()
        async for piece in pieces:
            heard += piece

    assert seconds_of(bytes(heard), form="pcm") == pytest.approx(seconds_in(text), abs=0.05)
    await until(lambda: _is_paid(program, len(text)))


async def test_a_client_that_hangs_up_in_the_middle_pays_nothing(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    voice.middle.clear()

    async with client.audio.speech.with_streaming_response.create(
        model="local", voice="ara", input=text
    ) as answer:
        await asyncio.wait_for(anext(answer.iter_bytes()), 10)

    await until(lambda: _has(program, (10_000, 0)))
    await until(lambda: _is(voice.gone == 1))


async def test_events_carry_the_audio_and_end_with_the_cost(
    client: openai.AsyncOpenAI, program: Program, text: str
) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts",
        voice="coral",
        input=text,
        stream_format="sse",
        response_format="pcm",
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in answer.iter_lines() if line.startswith("data: ")]

    *deltas, done = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert seconds_of(audio, form="pcm") == pytest.approx(seconds_in(text), abs=0.05)
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["cost_credits"] == len(text)
    assert await program.money() == (10_000 - len(text), 0)
    charge = await program.web.db.fetchval(
        "select id from generation_charges where user_id = $1", program.owner.account.user_id
    )
    assert done["usage"]["charge_id"] == str(charge)


async def test_the_same_again_is_free_whole_and_says_so(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    asked: dict[str, Any] = {"model": "local", "voice": "ara", "input": text}
    await client.audio.speech.create(**asked)
    await until(lambda: _is_paid(program, len(text)))

    again = await client.audio.speech.create(**asked)

    assert again.response.headers["x-sexycall-cost-credits"] == "0"
    assert int(again.response.headers["content-length"]) == len(again.content)
    assert seconds_of(again.content, form="mp3") == pytest.approx(seconds_in(text), abs=0.25)
    assert len(voice.texts) == 1
    assert await program.money() == (10_000 - len(text), 0)


async def test_an_idempotency_key_gives_the_same_bytes_for_one_payment(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    asked: dict[str, Any] = {
        "model": "local",
        "voice": "ara",
        "extra_headers": {"idempotency-key": "k"},
    }

    first, second = [await client.audio.speech.create(**asked, input=text) for _ in range(2)]

    assert first.content == second.content
    assert first.response.headers["x-sexycall-cost-credits"] == str(len(text))
    assert second.response.headers["idempotent-replayed"] == "true"
    assert len(voice.texts) == 1
    assert await program.money() == (10_000 - len(text), 0)
    with pytest.raises(openai.ConflictError):
        await client.audio.speech.create(**asked, input="Another text.")


async def test_instructions_and_speed_are_for_those_models_that_know_them(
    client: openai.AsyncOpenAI, voice: ReadingVoice, text: str
) -> None:
    await client.audio.speech.create(
        model="local", voice="ara", input=text, instructions="whisper", speed=1.25
    )

    [wanted] = voice.wanted
    assert wanted["speed"] == 1.25
    assert "instructions" not in wanted


@pytest.mark.parametrize(
    "case",
    [
        ({"input": ""}, openai.BadRequestError, "invalid_request", "input"),
        ({"input": "x" * 4_097}, openai.BadRequestError, "invalid_request", "input"),
        ({"input": "  "}, openai.BadRequestError, "invalid_request", "input"),
        ({"speed": 4.5}, openai.BadRequestError, "invalid_request", "speed"),
        ({"response_format": "midi"}, openai.BadRequestError, "invalid_request", "response_format"),
        ({"extra_body": {"pitch": 2}}, openai.BadRequestError, "invalid_request", "pitch"),
        ({"model": "tts-9"}, openai.NotFoundError, "model_not_found", "model"),
        ({"voice": "nobody"}, openai.NotFoundError, "voice_not_found", "voice"),
        ({"voice": {"id": "nobody"}}, openai.NotFoundError, "voice_not_found", "voice"),
    ],
)
async def test_wrong_requests_are_errors_of_the_sdk(
    client: openai.AsyncOpenAI, program: Program, case: Any, text: str
) -> None:
    changes, error, code, param = case
    asked = {"model": "local", "voice": "ara", "input": text, **changes}

    with pytest.raises(error) as refused:
        await client.audio.speech.create(**asked)

    assert (refused.value.code, refused.value.param) == (code, param)
    assert (refused.value.request_id or "").startswith("req_sv_")
    assert await program.money() == (10_000, 0)


async def test_who_may_not_is_told_why(program: Program, voice: ReadingVoice, text: str) -> None:
    base_url = f"{program.web.client.base_url}/v1"
    asked: dict[str, Any] = {"model": "local", "voice": "ara", "input": text}

    def client_of(key: str) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0)

    async with client_of("sk_live_" + "x" * 32) as nobody:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await nobody.audio.speech.create(**asked)
    assert unknown.value.code == "invalid_api_key"
    reader = await program_of(program.web, scopes=["voices:read"])
    async with client_of(reader.key.key) as client:
        with pytest.raises(openai.PermissionDeniedError) as scope:
            await client.audio.speech.create(**asked)
    assert scope.value.code == "missing_scope"
    poor = await program_of(program.web, balance=5)
    async with client_of(poor.key.key) as client:
        with pytest.raises(openai.APIStatusError) as credit:
            await client.audio.speech.create(**asked)
    assert (credit.value.status_code, credit.value.code) == (402, "insufficient_credits")
    assert voice.texts == []


async def test_too_many_requests_are_a_rate_limit_error(
    served: Served, no_media_here: Media, voice: ReadingVoice
) -> None:
    async with (
        served_program(served.dsn, no_media_here, voice, API_REQUESTS_PER_MINUTE="2") as program,
        openai.AsyncOpenAI(
            api_key=program.key.key, base_url=f"{program.web.client.base_url}/v1", max_retries=0
        ) as client,
    ):
        for _ in range(2):
            await client.models.list()

        with pytest.raises(openai.RateLimitError) as refused:
            await client.models.list()

    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_provider_that_refuses_or_is_down_is_told_before_the_first_byte(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    voice.refused_text = voice.broken_text = text
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await client.audio.speech.create(model="local", voice="ara", input=text)
    voice.refused_text = None
    with pytest.raises(openai.InternalServerError) as down:
        await client.audio.speech.create(model="local", voice="ara", input=text)

    assert refused.value.code == "content_policy_violation"
    assert down.value.code in {"provider_unavailable", "provider_error"}
    assert await program.money() == (10_000, 0)


async def test_silence_breaks_the_transfer_off_and_costs_nothing(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    """It was sent before it could be judged: the client must not take it for a whole file."""
    voice.silent_text = text

    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        await client.audio.speech.create(model="local", voice="ara", input=text)

    await until(lambda: _has(program, (10_000, 0)))


async def test_silence_ends_events_with_an_error(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    voice.silent_text = text

    async with client.audio.speech.with_streaming_response.create(
        model="local", voice="ara", input=text, stream_format="sse"
    ) as answer:
        lines = [line async for line in answer.iter_lines() if line.startswith("data: ")]

    last = json.loads(lines[-1].removeprefix("data: "))
    assert last["error"]["code"] == "no_audio"
    await until(lambda: _has(program, (10_000, 0)))


async def test_models_are_listed_and_found(client: openai.AsyncOpenAI) -> None:
    names = {model.id async for model in client.models.list()}
    assert names == {"local", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"}
    assert (await client.models.retrieve("tts-1")).object == "model"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpro")  # its provider has no key here


async def test_openai_s_voices_are_voices_of_the_model_the_same_ones_always(
    client: openai.AsyncOpenAI, voice: ReadingVoice
) -> None:
    for name in ("alloy", "ash", "sage", "sage"):
        await client.audio.speech.create(model="tts-1", voice=name, input=f"I am {name} today.")

    spoken_by = [wanted["voice"] for wanted in voice.wanted]
    assert spoken_by[0] == "alloy"
    assert len(spoken_by) == 3  # the second "sage" came from the cache


async def test_a_voice_by_its_id_speaks_with_its_own_model(
    client: openai.AsyncOpenAI, program: Program, voice: ReadingVoice, text: str
) -> None:
    voice_id = await program.web.db.fetchval(
        "select id from voices where name = 'rex' and model = 'local'"
    )

    await client.audio.speech.create(model="tts-1", voice={"id": str(voice_id)}, input=text)

    assert voice.wanted[0]["voice"] == "rex"


async def test_the_synchronous_sdk_streams_to_a_file(
    program: Program, tmp_path: Any, text: str
) -> None:
    path = tmp_path / "speech.wav"
    base_url = f"{program.web.client.base_url}/v1"

    def speak() -> None:
        with (
            openai.OpenAI(api_key=program.key.key, base_url=base_url) as client,
            client.audio.speech.with_streaming_response.create(
                model="tts-1-hd", voice="nova", input=text, response_format="wav"
            ) as answer,
        ):
            answer.stream_to_file(path)

    await asyncio.to_thread(speak)

    assert seconds_of(path.read_bytes(), form="wav") == pytest.approx(seconds_in(text), abs=0.05)


async def test_the_first_byte_comes_soon_after_the_provider_s(
    client: openai.AsyncOpenAI, voice: ReadingVoice, text: str
) -> None:
    """A loose limit: the machine is shared, and benchmarks measure on a quiet one."""
    late_ms = []
    for n in range(10):
        async with client.audio.speech.with_streaming_response.create(
            model="local", voice="ara", input=f"{text} {n}", response_format="pcm"
        ) as answer:
            pieces = answer.iter_bytes()
            await anext(pieces)
            late_ms.append((time.perf_counter() - voice.first_sent_at) * 1000)
            async for _ in pieces:
                pass
    late_ms.sort()
    print(f"first byte {late_ms[5]:.1f} ms after the provider's (median of {len(late_ms)})")
    assert late_ms[5] < 250


async def _is_paid(program: Program, credits_used: int) -> bool:
    return await program.money() == (10_000 - credits_used, 0)


async def _has(program: Program, money: tuple[int, int]) -> bool:
    return await program.money() == money


async def _is(value: bool) -> bool:
    return value


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
