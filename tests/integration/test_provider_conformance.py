"""What every provider does alike, over real sockets and with the real SDKs."""

import asyncio
import io
import logging
import traceback
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import av
import pytest
import pytest_asyncio

from control_plane.tts.port import (
    InputTooLong,
    NoAudio,
    ProhibitedContent,
    Provider,
    ProviderAway,
    ProviderQuota,
    ProviderRefusal,
)
from shared.errors import AppError
from tests.fakes.providers import recordings
from tests.fakes.providers.cases import CASES, KEY, TEXT, Case, opened
from tests.fakes.providers.server import TOO_MUCH_BYTES, ProviderServer
from tests.fakes.providers.trouble import Trouble

EXPECTED: dict[Trouble, type[AppError]] = {
    Trouble.FAILS: ProviderAway,
    Trouble.IS_AWAY: ProviderAway,
    Trouble.RATE_LIMITS: ProviderQuota,
    Trouble.DENIES_THE_KEY: ProviderRefusal,
    Trouble.REFUSES_CONTENT: ProhibitedContent,
    Trouble.FINDS_IT_TOO_LONG: InputTooLong,
    Trouble.SENDS_NO_AUDIO: NoAudio,
    Trouble.SENDS_A_PAGE: NoAudio,
    Trouble.SENDS_TOO_MUCH: NoAudio,
    Trouble.SENDS_PACKED: NoAudio,
    Trouble.TRUNCATES: ProviderAway,
    Trouble.HANGS_UP: ProviderAway,
}
# An empty stream is found out by the studio; the rest is told of a whole answer.
OF_STREAMS = [
    trouble
    for trouble in EXPECTED
    if trouble
    not in {
        Trouble.SENDS_NO_AUDIO,
        Trouble.TRUNCATES,
        Trouble.SENDS_TOO_MUCH,
        Trouble.SENDS_PACKED,
    }
]
NOTICE_S = 5.0  # a server learns at once that a client hung up; a busy machine a little later


@pytest.fixture(params=CASES, ids=lambda case: case.id)
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest_asyncio.fixture
async def pair(case: Case) -> AsyncIterator[tuple[ProviderServer, Provider]]:
    async with opened(case) as (server, provider):
        yield server, provider


@pytest.fixture
def server(pair: tuple[ProviderServer, Provider]) -> ProviderServer:
    return pair[0]


@pytest.fixture
def provider(pair: tuple[ProviderServer, Provider]) -> Provider:
    return pair[1]


class TestWholeAnswers:
    async def test_what_it_sends_plays(self, case: Case, provider: Provider) -> None:
        speech = await provider.speak(case.utterance)
        played_s = recordings.seconds_of(speech.audio, speech.media_type)
        assert played_s == pytest.approx(len(recordings.pcm()) / 48_000, abs=0.1)
        assert speech.model == case.utterance.model

    async def test_it_is_asked_for_the_text_with_our_key(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        await provider.speak(case.utterance)
        asked = server.seen[0]
        assert TEXT in str(asked.body)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        sent = headers.get("x-goog-api-key") or headers["authorization"].removeprefix("Bearer ")
        assert sent == (KEY if case.has_key else "none")

    @pytest.mark.parametrize("trouble", EXPECTED, ids=lambda trouble: trouble.name)
    async def test_each_trouble_has_its_refusal(
        self, case: Case, server: ProviderServer, provider: Provider, trouble: Trouble
    ) -> None:
        server.trouble = trouble
        with pytest.raises(AppError) as refused:
            await provider.speak(case.utterance)
        assert type(refused.value) is EXPECTED[trouble]

    @pytest.mark.parametrize(
        "trouble", [Trouble.FAILS, Trouble.IS_AWAY, Trouble.RATE_LIMITS, Trouble.HANGS_UP]
    )
    async def test_nothing_is_asked_twice(
        self, case: Case, server: ProviderServer, provider: Provider, trouble: Trouble
    ) -> None:
        server.trouble = trouble
        with pytest.raises(AppError):
            await provider.speak(case.utterance)
        creations = [seen for seen in server.seen if seen.body]
        assert len(creations) == 1
        assert len([seen for seen in server.seen if "/files/" in seen.path]) <= 1

    async def test_random_bytes_are_refused_here_or_by_the_decoder(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.trouble = Trouble.SENDS_GARBAGE
        with pytest.raises((NoAudio, av.FFmpegError)):
            await _speak_and_play(provider, case)

    async def test_reading_stops_at_the_limit(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.trouble = Trouble.SENDS_TOO_MUCH
        with pytest.raises(NoAudio):
            await provider.speak(case.utterance)
        async with asyncio.timeout(NOTICE_S):
            while not server.gone:
                await asyncio.sleep(0.01)
        assert server.sent_bytes < TOO_MUCH_BYTES

    async def test_cancelling_ends_the_connection(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.trouble = Trouble.STALLS
        speaking = asyncio.create_task(provider.speak(case.utterance))
        async with asyncio.timeout(NOTICE_S):
            while not server.seen:
                await asyncio.sleep(0.01)
            speaking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await speaking
            while not server.gone:
                await asyncio.sleep(0.01)

    async def test_many_are_served_at_once(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        speeches = await asyncio.gather(*(provider.speak(case.utterance) for _ in range(20)))
        assert len({speech.audio for speech in speeches}) == 1
        # One that fails takes no other with it.
        server.trouble, server.times = Trouble.IS_AWAY, 5
        answers = await asyncio.gather(
            *(provider.speak(case.utterance) for _ in range(20)), return_exceptions=True
        )
        assert sum(isinstance(answer, ProviderAway) for answer in answers) == 5


class TestSecrets:
    @pytest.mark.parametrize("trouble", [*EXPECTED, Trouble.SENDS_GARBAGE], ids=lambda t: t.name)
    async def test_neither_key_nor_text_gets_out(
        self, case: Case, server: ProviderServer, provider: Provider, trouble: Trouble
    ) -> None:
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        logging.getLogger().addHandler(handler)
        server.trouble = trouble
        try:
            await provider.speak(case.utterance)
        except AppError as refusal:
            log.write("".join(traceback.format_exception(refusal)))
            log.write(f"{refusal!r} {vars(refusal)}")
        finally:
            logging.getLogger().removeHandler(handler)
        assert KEY not in log.getvalue()
        assert TEXT not in log.getvalue()
        assert server.base_url not in log.getvalue()

    async def test_it_shows_no_key_when_printed(self, provider: Provider) -> None:
        assert KEY not in repr(provider)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.model.streams], ids=lambda case: case.id
)
class TestStreams:
    async def test_the_first_piece_comes_before_the_last_is_made(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.pause.clear()
        async with aclosing(_stream(provider, case)) as pieces:
            first = await anext(pieces)
            server.pause.set()
            rest = [piece async for piece in pieces]
        assert b"".join([first, *rest]) == recordings.pcm()

    @pytest.mark.parametrize("trouble", OF_STREAMS, ids=lambda trouble: trouble.name)
    async def test_each_trouble_has_its_refusal(
        self, case: Case, server: ProviderServer, provider: Provider, trouble: Trouble
    ) -> None:
        server.trouble = trouble
        with pytest.raises(AppError) as refused:
            async for _ in _stream(provider, case):
                pass
        assert type(refused.value) is EXPECTED[trouble]

    async def test_one_that_breaks_off_is_no_whole_one(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.pause.clear()
        async with aclosing(_stream(provider, case)) as pieces:
            heard = await anext(pieces)
            server.trouble = Trouble.HANGS_UP
            server.pause.set()
            with pytest.raises(ProviderAway):
                heard += b"".join([piece async for piece in pieces])
        assert 0 < len(heard) < len(recordings.pcm())

    async def test_closing_it_ends_the_connection(
        self, case: Case, server: ProviderServer, provider: Provider
    ) -> None:
        server.pause.clear()
        async with aclosing(_stream(provider, case)) as pieces:
            await anext(pieces)
        async with asyncio.timeout(NOTICE_S):
            while not server.gone:
                await asyncio.sleep(0.01)


def _stream(provider: Provider, case: Case) -> AsyncGenerator[bytes]:
    stream = provider.stream(case.utterance)
    assert isinstance(stream, AsyncGenerator)  # else it could not be closed
    return stream


async def _speak_and_play(provider: Provider, case: Case) -> float:
    speech = await provider.speak(case.utterance)
    return recordings.seconds_of(speech.audio, speech.media_type)
