"""The OpenAI REST endpoints of the local voice, asked by the official SDK."""

import io
import json
import wave
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from local.voice.persona import TOPICS
from local.voice.server import VoiceSettings
from tests.integration.voice_wire import VoiceProcess, running_voice, silence, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOKE = next(topic.answer for topic in TOPICS if "tell me a joke" in topic.phrases)
# The synthesizer's breath is random, and one in some hundred jokes is not understood; a longer
# phrase is.
QUESTION = "how does the billing work"
BILLING = next(topic.answer for topic in TOPICS if QUESTION in topic.phrases)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice() -> AsyncIterator[VoiceProcess]:
    async with running_voice() as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def client(voice: VoiceProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=voice.base_url, api_key="none", max_retries=0) as opened:
        yield opened


def wav(pcm: bytes, *, rate_hz: int = 24_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(rate_hz)
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.writeframes(pcm)
    return file.getvalue()


async def test_speech_streams_before_it_is_finished(client: openai.AsyncOpenAI) -> None:
    text = " ".join(["This is one sentence of a long text."] * 40)
    async with client.audio.speech.with_streaming_response.create(
        model="local-tts", voice="Ara", input=text, response_format="pcm"
    ) as response:
        assert response.headers["transfer-encoding"] == "chunked"
        assert response.headers["content-type"] == "audio/pcm"
        pieces = [len(piece) async for piece in response.iter_bytes()]
    assert len(pieces) > 10
    assert 80 < sum(pieces) / 48_000 < 160


async def test_a_wave_of_unknown_length_opens_as_one(client: openai.AsyncOpenAI) -> None:
    answer = await client.audio.speech.create(
        model="local-tts", voice="Rex", input="Hello there.", response_format="wav"
    )
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert 0.4 < len(file.readframes(10 * 24_000)) / 48_000 < 2


async def test_speed_and_voice_change_the_speech(client: openai.AsyncOpenAI) -> None:
    async def length(**options: Any) -> int:
        text = "One two three four five six seven."
        answer = await client.audio.speech.create(
            model="local-tts", input=text, response_format="pcm", **options
        )
        return len(answer.content)

    normal = await length(voice="Ara")
    assert await length(voice="Ara", speed=2.0) < 0.7 * normal
    assert await length(voice="Ara", speed=0.5) > 1.4 * normal
    assert await length(voice="some-cloned-voice") > 0


async def test_speech_as_events_ends_with_usage(client: openai.AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="local-tts", voice="Ara", input="Hello.", response_format="pcm", stream_format="sse"
    ) as response:
        lines = [line async for line in response.iter_lines() if line]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["output_tokens"] > 5


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"response_format": "mp3"}, "response_format"),
        ({"input": ""}, "input"),
        ({"input": "x" * 4_097}, "input"),
        ({"speed": 9.0}, "speed"),
        ({"voice": None}, "voice"),
    ],
)
async def test_bad_speech_requests_name_what_is_wrong(
    client: openai.AsyncOpenAI, change: dict[str, Any], param: str
) -> None:
    request: Any = {"model": "local-tts", "voice": "Ara", "input": "Hi", "response_format": "wav"}
    with pytest.raises(openai.BadRequestError) as refused:
        await client.audio.speech.create(**{**request, **change})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


async def test_what_is_spoken_is_transcribed(client: openai.AsyncOpenAI) -> None:
    said = await client.audio.speech.create(
        model="local-tts", voice="Ara", input="tell me a story", response_format="wav"
    )
    heard = await client.audio.transcriptions.create(
        model="local-stt", file=("story.wav", said.content)
    )
    assert heard.text == "tell me a story"


async def test_phrases_with_a_pause_between_are_both_heard(client: openai.AsyncOpenAI) -> None:
    pcm = spoken("can you hear me") + silence(800) + spoken("tell me a joke")
    heard = await client.audio.transcriptions.create(model="local-stt", file=("a.wav", wav(pcm)))
    assert heard.text == "can you hear me tell me a joke"


async def test_silence_has_no_words(client: openai.AsyncOpenAI) -> None:
    file = ("a.wav", wav(silence(2_000)))
    assert (await client.audio.transcriptions.create(model="local-stt", file=file)).text == ""


@pytest.mark.parametrize(
    "data",
    [
        b"not a wave at all",
        b"",
        wav(bytes(300), width=1),
        wav(bytes(600), channels=3),
        wav(bytes(600), rate_hz=4_000),
        wav(bytes(2 * 8_000 * 121), rate_hz=8_000),
    ],
)
async def test_what_is_no_usable_wave_is_refused(client: openai.AsyncOpenAI, data: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.audio.transcriptions.create(model="local-stt", file=("a.wav", data))
    assert refused.value.param == "file"


async def test_a_body_over_the_limit_is_refused(client: openai.AsyncOpenAI) -> None:
    file = ("a.wav", bytes(13 * 2**20))
    with pytest.raises(openai.APIStatusError) as refused:
        await client.audio.transcriptions.create(model="local-stt", file=file)
    assert refused.value.status_code == 413
    assert refused.value.type == "invalid_request_error"


async def test_the_persona_chats(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="local-chat", messages=[{"role": "user", "content": "Tell me a joke, please."}]
    )
    assert answer.choices[0].message.content == JOKE
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens > 10


async def test_the_persona_streams_sentence_by_sentence(client: openai.AsyncOpenAI) -> None:
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model="local-chat",
            messages=[{"role": "user", "content": "tell me a joke"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    ]
    pieces = [
        c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content
    ]
    assert len(pieces) == 2
    assert "".join(pieces) == JOKE
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage


async def test_a_chat_calls_a_tool_and_speaks_its_result(client: openai.AsyncOpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "get_credit", "parameters": {}}}
    question: Any = {"role": "user", "content": "how much credit is left"}
    asked = await client.chat.completions.create(
        model="local-chat", messages=[question], tools=[tool]
    )
    assert asked.choices[0].finish_reason == "tool_calls"
    calls = asked.choices[0].message.tool_calls
    assert calls
    call: Any = asked.choices[0].message.to_dict()
    result: Any = {"role": "tool", "tool_call_id": calls[0].id, "content": '{"seconds_left": 90}'}
    answer = await client.chat.completions.create(
        model="local-chat", messages=[question, call, result], tools=[tool]
    )
    assert answer.choices[0].message.content == "seconds left: 90"


async def test_bad_chat_requests_are_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="local-chat", messages=[])
    assert refused.value.param == "messages"


async def test_models_are_listed_and_unknown_paths_are_not_found(
    client: openai.AsyncOpenAI,
) -> None:
    assert "local-voice" in [model.id async for model in client.models.list()]
    with pytest.raises(openai.NotFoundError):
        await client.files.list()


async def test_a_configured_chat_model_speaks_in_the_persona_s_place(voice: VoiceProcess) -> None:
    # given a second server whose mind is the first one's chat endpoint, over the real SDK
    settings = VoiceSettings(
        local_voice_chat_base_url=voice.base_url, local_voice_chat_model="local-chat"
    )
    async with running_voice(settings) as second:
        wire = await second.open()
        before = (await voice.get("/stats"))["chat_requests"]
        await wire.say(QUESTION)
        await wire.until("response.done")
        assert wire.transcript() == BILLING
        assert (await voice.get("/stats"))["chat_requests"] == before + 1
        # an order is said word for word, without asking the model
        wire.seen.clear()
        await wire.order("Goodbye for now.")
        assert wire.transcript() == "Goodbye for now."
        assert (await voice.get("/stats"))["chat_requests"] == before + 1


async def test_a_chat_model_that_is_down_fails_the_response_and_not_the_call() -> None:
    settings = VoiceSettings(
        local_voice_chat_base_url="http://127.0.0.1:9/v1", local_voice_chat_model="m"
    )
    async with running_voice(settings) as voice:
        wire = await voice.open()
        await wire.say("tell me a joke")
        done = (await wire.until("response.done"))["response"]
        assert done["status"] == "failed"
        await wire.order("Still here.")
        async with openai.AsyncOpenAI(
            base_url=voice.base_url, api_key="none", max_retries=0
        ) as client:
            with pytest.raises(openai.InternalServerError) as failed:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "hi"}]
                )
        assert failed.value.status_code == 502
