"""How much work a text is, and how many may wait for the same."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import characters_of
from control_plane.speech import measure
from control_plane.speech.flights import Flights
from control_plane.tts.port import NoAudio, Tokens
from shared.clock import SystemClock
from shared.errors import InsufficientCredits

UNITS = ("character", "token", "second", "operation")
TEXTS = st.text(min_size=1, max_size=300).filter(lambda text: bool(text.strip()))


@given(unit=st.sampled_from(UNITS), text=TEXTS)
def test_a_hold_is_never_less_than_the_guess(unit: str, text: str) -> None:
    assert measure.at_most(unit, text) >= measure.expected(unit, text) >= 1


@given(text=TEXTS, more=st.text(min_size=1, max_size=50))
def test_more_text_is_never_less_work(text: str, more: str) -> None:
    for unit in UNITS:
        assert measure.expected(unit, text + more) >= measure.expected(unit, text.strip())


@given(text=TEXTS)
def test_spaces_make_no_difference_to_characters(text: str) -> None:
    assert measure.expected("character", text) == characters_of(text)
    assert measure.delivered("character", text, duration_ms=1, tokens=None) == characters_of(text)


def test_what_the_provider_counted_counts() -> None:
    tokens = Tokens(prompt=12, output=88, total=100)
    assert measure.delivered("token", "hello", duration_ms=9_999, tokens=tokens) == 100


def test_what_it_did_not_count_is_measured() -> None:
    nothing = Tokens(prompt=0, output=0, total=0)
    assert measure.delivered("token", "x" * 400, duration_ms=10_000, tokens=None) == 420
    assert measure.delivered("token", "x" * 400, duration_ms=10_000, tokens=nothing) == 420
    assert measure.delivered("second", "x", duration_ms=1_001, tokens=None) == 2
    assert measure.delivered("operation", "x", duration_ms=1_001, tokens=None) == 1


def test_a_chinese_text_is_not_one_word() -> None:
    assert measure.expected("token", "天" * 100) > 800
    assert measure.expected("second", "天" * 100) == 25


async def test_of_many_one_leads_and_the_others_look_again() -> None:
    flights, leaders, landed = Flights(None, SystemClock()), 0, False

    async def want() -> None:
        nonlocal leaders, landed
        while not landed:
            async with flights.lead(b"k") as leads:
                if not leads:
                    continue
                leaders += 1
                await asyncio.sleep(0)
                landed = True

    await asyncio.gather(*(want() for _ in range(200)))
    assert leaders == 1


async def test_what_concerns_everybody_is_raised_for_everybody() -> None:
    flights, leaders = Flights(None, SystemClock()), 0

    async def want() -> None:
        nonlocal leaders
        async with flights.lead(b"k") as leads:
            if leads:
                leaders += 1
                await asyncio.sleep(0.01)
                raise NoAudio

    outcomes = await asyncio.gather(*(want() for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NoAudio}
    assert leaders == 1


async def test_what_concerns_the_leader_alone_lets_the_next_one_lead() -> None:
    flights, answers = Flights(None, SystemClock()), []

    async def want(number: int) -> None:
        async with flights.lead(b"k") as leads:
            answers.append(leads)
            await asyncio.sleep(0.01)
            if number == 0:
                raise InsufficientCredits

    first, second = await asyncio.gather(want(0), want(1), return_exceptions=True)
    assert isinstance(first, InsufficientCredits)
    assert second is None
    assert answers == [True, False]


async def test_a_cancelled_leader_strands_nobody() -> None:
    flights = Flights(None, SystemClock())

    async def lead_for_ever() -> None:
        async with flights.lead(b"k"):
            await asyncio.Event().wait()

    leader = asyncio.create_task(lead_for_ever())
    await asyncio.sleep(0)

    async def follow() -> bool:
        async with flights.lead(b"k") as leads:
            return leads

    follower = asyncio.create_task(follow())
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert await follower is False
    assert await follow() is True
