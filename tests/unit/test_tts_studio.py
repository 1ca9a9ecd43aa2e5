"""Patience: time-outs, repetitions, fallback and breakers, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from control_plane.tts.attempts import Patience
from control_plane.tts.catalog import MODELS
from control_plane.tts.port import (
    InputTooLong,
    NoAudio,
    ProhibitedContent,
    ProviderAway,
    ProviderQuota,
    ProviderRefusal,
    Speech,
    Utterance,
)
from control_plane.tts.studio import Studio
from shared.errors import AppError

PRO, FLASH = "gemini-2.5-pro-preview-tts", "gemini-2.5-flash-preview-tts"
MODEL = MODELS["gpro"]
HELLO = Utterance(model=PRO, voice="Kore", text="Hello")
PATIENCE = Patience(
    attempts_max=3, attempt_s=60, first_byte_s=10, stall_s=5, stream_s=100, backoff_s=1
)

Step = Exception | float | bytes  # to raise, to wait so many seconds, to answer


class LoopClock:
    """Virtual time, where the loop has it."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)


@dataclass
class ScriptedProvider:
    """Does for each model what its script says, one list an attempt; then says b"ok"."""

    scripts: dict[str, list[list[Step]]] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)
    cancelled: int = 0
    closed: int = 0
    name: str = "gemini"

    async def speak(self, utterance: Utterance) -> Speech:
        audio = b"".join([piece async for piece in self.stream(utterance)])
        return Speech(audio=audio, media_type="audio/wav", model=utterance.model)

    async def stream(self, utterance: Utterance) -> AsyncIterator[bytes]:
        self.asked.append((utterance.model, asyncio.get_running_loop().time()))
        script = self.scripts.get(utterance.model)
        try:
            for step in script.pop(0) if script else [b"ok"]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, bytes):
                    yield step
                else:
                    await asyncio.sleep(step)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def close(self) -> None:
        self.closed += 1

    @property
    def models(self) -> list[str]:
        return [model for model, _ in self.asked]


def studio_of(provider: ScriptedProvider) -> Studio:
    return Studio({"gemini": provider}, LoopClock(), patience=PATIENCE)


async def heard(studio: Studio) -> bytes:
    async with aclosing(studio.stream(MODEL, HELLO)) as pieces:
        return b"".join([piece async for piece in pieces])


async def spoken(studio: Studio) -> bytes:
    return (await studio.speak(MODEL, HELLO)).audio


both = pytest.mark.parametrize("had", [spoken, heard], ids=["speak", "stream"])
Had = Callable[[Studio], "asyncio.Future[bytes]"]


def test_it_offers_what_has_a_provider() -> None:
    studio = studio_of(ScriptedProvider())
    assert studio.offers(MODELS["gpro31"])
    assert not studio.offers(MODELS["xai"])


async def test_what_is_not_offered_is_refused() -> None:
    studio = studio_of(ScriptedProvider())
    with pytest.raises(ProviderAway):
        await studio.speak(MODELS["xai"], replace(HELLO, model="grok-tts"))


@both
@pytest.mark.virtual_time
async def test_a_provider_that_was_away_for_a_moment_is_asked_again(had: Had) -> None:
    provider = ScriptedProvider({PRO: [[ProviderAway()], [ProviderAway()], [b"good"]]})
    assert await had(studio_of(provider)) == b"good"
    assert provider.models == [PRO] * 3
    first, second, third = (moment for _, moment in provider.asked)
    assert 0.5 <= second - first <= 1
    assert 1 <= third - second <= 2


@both
@pytest.mark.virtual_time
async def test_then_another_model_is_asked(had: Had) -> None:
    provider = ScriptedProvider({PRO: [[ProviderAway()]] * 3})
    assert await had(studio_of(provider)) == b"ok"
    assert provider.models == [PRO] * 3 + [FLASH]


@both
@pytest.mark.virtual_time
async def test_its_refusal_is_the_answer_when_both_fail(had: Had) -> None:
    provider = ScriptedProvider({PRO: [[ProviderAway()]] * 3, FLASH: [[ProviderQuota()]]})
    with pytest.raises(ProviderQuota):
        await had(studio_of(provider))


@both
@pytest.mark.parametrize("refusal", [ProviderQuota(), ProviderRefusal()], ids=repr)
@pytest.mark.virtual_time
async def test_what_fails_again_is_not_repeated_but_asked_elsewhere(
    had: Had, refusal: AppError
) -> None:
    provider = ScriptedProvider({PRO: [[refusal]]})
    assert await had(studio_of(provider)) == b"ok"
    assert provider.models == [PRO, FLASH]


@both
@pytest.mark.parametrize("refusal", [ProhibitedContent(), InputTooLong(), NoAudio()], ids=repr)
@pytest.mark.virtual_time
async def test_a_refused_text_is_asked_nowhere_else(had: Had, refusal: AppError) -> None:
    provider = ScriptedProvider({PRO: [[refusal]]})
    with pytest.raises(type(refusal)):
        await had(studio_of(provider))
    assert provider.models == [PRO]


@both
@pytest.mark.virtual_time
async def test_an_empty_answer_is_no_audio(had: Had) -> None:
    provider = ScriptedProvider({PRO: [[b"", b""]]})
    with pytest.raises(NoAudio):
        await had(studio_of(provider))


@pytest.mark.virtual_time
async def test_no_other_model_is_asked_where_the_contract_has_none() -> None:
    provider = ScriptedProvider({PRO: [[ProviderAway()]] * 3})
    with pytest.raises(ProviderAway):
        await studio_of(provider).speak(MODEL, HELLO, may_fall_back=False)
    assert provider.models == [PRO] * 3


@pytest.mark.virtual_time
async def test_the_fallback_itself_has_none() -> None:
    provider = ScriptedProvider({FLASH: [[ProviderRefusal()]]})
    with pytest.raises(ProviderRefusal):
        await studio_of(provider).speak(MODEL, replace(HELLO, model=FLASH))
    assert provider.models == [FLASH]


@pytest.mark.virtual_time
async def test_an_answer_that_takes_too_long_is_cancelled_and_not_repeated() -> None:
    provider = ScriptedProvider({PRO: [[1_000.0]], FLASH: [[1_000.0]]})
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(ProviderAway):
        await studio_of(provider).speak(MODEL, HELLO)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(120)
    assert provider.models == [PRO, FLASH]
    assert provider.cancelled == 2


@pytest.mark.virtual_time
async def test_a_stream_must_begin_soon() -> None:
    provider = ScriptedProvider({PRO: [[11.0, b"late"]]})
    assert await heard(studio_of(provider)) == b"ok"
    assert provider.models == [PRO, FLASH]
    assert provider.cancelled == 1


@pytest.mark.parametrize(
    "rest", [[ProviderAway()], [ProviderQuota()], [6.0, b"late"]], ids=["away", "quota", "stalls"]
)
@pytest.mark.virtual_time
async def test_nothing_is_repeated_after_the_first_byte(rest: list[Step]) -> None:
    provider = ScriptedProvider({PRO: [[b"", b"first", *rest]]})
    async with aclosing(studio_of(provider).stream(MODEL, HELLO)) as pieces:
        assert await anext(pieces) == b"first"
        with pytest.raises(AppError):
            await anext(pieces)
    assert provider.models == [PRO]


@pytest.mark.virtual_time
async def test_a_stream_that_drips_for_ever_is_ended() -> None:
    provider = ScriptedProvider({PRO: [[b"drop", 4.0] * 1_000]})
    with pytest.raises(ProviderAway):
        await heard(studio_of(provider))
    assert asyncio.get_running_loop().time() < 110


@pytest.mark.virtual_time
async def test_who_leaves_ends_the_work() -> None:
    provider = ScriptedProvider({PRO: [[b"first", 1.0, b"second"]]})
    async with aclosing(studio_of(provider).stream(MODEL, HELLO)) as pieces:
        assert await anext(pieces) == b"first"
    assert provider.cancelled == 1


@both
@pytest.mark.virtual_time
async def test_a_provider_that_keeps_failing_is_left_alone_for_a_while(had: Had) -> None:
    provider = ScriptedProvider({PRO: [[ProviderAway()]] * 100, FLASH: [[ProviderAway()]] * 100})
    studio = studio_of(provider)
    for _ in range(5):
        with pytest.raises(ProviderAway):
            await had(studio)
    assert len(provider.asked) == 10  # five of each model
    # When it is back, one is let through to look, and then everybody.
    provider.scripts.clear()
    with pytest.raises(ProviderAway) as refused:
        await had(studio)
    assert 1 <= refused.value.retry_after_s <= 16
    await asyncio.sleep(16)
    assert await had(studio) == b"ok"
    assert provider.models[-1] == PRO


@pytest.mark.virtual_time
async def test_a_cancelled_probe_does_not_keep_the_breaker_open() -> None:
    away: list[list[Step]] = [[ProviderAway()]] * 5
    provider = ScriptedProvider({PRO: [*away, [50.0]]})
    studio = studio_of(provider)
    for _ in range(2):
        with pytest.raises(ProviderAway):
            await studio.speak(MODEL, HELLO, may_fall_back=False)
    await asyncio.sleep(16)
    probe = asyncio.create_task(spoken(studio))
    await asyncio.sleep(1)
    probe.cancel()
    await asyncio.wait([probe])
    assert await spoken(studio) == b"ok"
    assert provider.models[-1] == PRO


async def test_closing_it_closes_all() -> None:
    provider = ScriptedProvider()
    await studio_of(provider).close()
    assert provider.closed == 1
