"""POST /api/v1/speech, case by case as upstream's contract has it."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import av
import pytest
import pytest_asyncio

from tests import builders
from tests.fakes.reading_voice import CHARS_PER_S, ReadingVoice, reading_voice
from tests.integration.program import Program, program_at, program_of
from tests.web_process import Media

SPEECH = "/api/v1/speech"
TEXT = "The lamp of this house has been burning since nobody knows when, and it will not go out."
NO_KEY = {"authorization": ""}


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[ReadingVoice]:
    async with reading_voice() as running:
        yield running


@pytest_asyncio.fixture
async def program(db_dsn: str, no_media: Media, voice: ReadingVoice) -> AsyncIterator[Program]:
    """Every model of upstream's is on offer; a request that is refused asks no provider."""
    async with program_at(
        db_dsn,
        no_media,
        voice,
        gemini_api_key="a key",
        gemini_base_url=voice.url,
        replicate_api_token="a token",
        replicate_base_url=voice.url,
        xai_api_key="a key",
        xai_base_url=voice.url,
    ) as asking:
        yield asking
        assert await builders.violations(asking.web.db) == []


def wish(**changes: Any) -> dict[str, Any]:
    return {"input": TEXT, "voice": "ara", "model": "local", **changes}


async def test_a_text_is_spoken_and_paid_for(program: Program, voice: ReadingVoice) -> None:
    answer = await program.post(SPEECH, wish())

    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"url", "credits_used", "credits_remaining", "usage"}
    assert (body["credits_used"], body["credits_remaining"]) == (len(TEXT), 10_000 - len(TEXT))
    assert body["usage"] == {"input_characters": len(TEXT), "model": "local-tts"}
    assert answer.headers["request-id"].startswith("req_sv_")
    assert len(answer.headers["request-id"]) == len("req_sv_") + 32
    for name in ("limit", "remaining", "reset"):
        assert f"x-ratelimit-{name}-requests" in answer.headers
    audio = await program.web.client.get(body["url"])
    assert audio.headers["content-type"] == "audio/wav"
    with av.open(io.BytesIO(audio.content), "r") as container:
        seconds = sum(
            float(frame.samples / frame.sample_rate) for frame in container.decode(audio=0)
        )
    assert seconds == pytest.approx(len(TEXT) / CHARS_PER_S, abs=0.1)
    assert await program.money() == (10_000 - len(TEXT), 0)


async def test_its_history_names_the_key_and_the_request(program: Program) -> None:
    answer = await program.post(SPEECH, wish())

    row = await program.web.db.fetchrow(
        "select source_type, api_key_id, request_id, text_content from audio_files"
    )
    assert row is not None
    assert dict(row) | {"api_key_id": str(row["api_key_id"])} == {
        "source_type": "api_tts",
        "api_key_id": program.key.id,
        "request_id": answer.headers["request-id"],
        "text_content": TEXT,
    }


async def test_every_answer_is_fresh(program: Program, voice: ReadingVoice) -> None:
    """Upstream's programs ask again to get another reading, and pay for it."""
    first, second = [(await program.post(SPEECH, wish())).json() for _ in range(2)]

    assert first["url"].split("?")[0] != second["url"].split("?")[0]
    assert second["credits_remaining"] == 10_000 - 2 * len(TEXT)
    assert len(voice.texts) == 2


async def test_the_same_idempotency_key_is_answered_and_paid_once(
    program: Program, voice: ReadingVoice
) -> None:
    first, second = [await program.post(SPEECH, wish(), idempotency_key="k") for _ in range(2)]
    other = await program.post(SPEECH, wish(input="Another."), idempotency_key="k")

    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert len(voice.texts) == 1
    assert await program.money() == (10_000 - len(TEXT), 0)


async def test_a_voice_may_be_named_by_its_id(program: Program, voice: ReadingVoice) -> None:
    voice_id = await program.web.db.fetchval(
        "select id from voices where name = 'rex' and model = 'local'"
    )

    for name in ("voiceId", "voice"):  # `GET /api/v1/voices` shows both an id and a name
        answer = await program.post(SPEECH, {"input": TEXT, name: str(voice_id)})
        assert answer.status_code == 200, name

    assert voice.wanted[0]["voice"] == "rex"


async def test_what_shapes_the_voice_reaches_the_provider(
    program: Program, voice: ReadingVoice
) -> None:
    answer = await program.post(SPEECH, wish(speed=1.5, seed=7, response_format="mp3"))

    assert answer.status_code == 200
    assert ".mp3?" in answer.json()["url"]
    assert voice.wanted[0]["speed"] == 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the error that it is; `headers` in place of the usual key."""

    body: Any
    status: int
    code: str
    param: str | None = None
    kind: str = "invalid_request_error"
    headers: dict[str, str] = field(default_factory=dict)


CASES = {
    "no key": Case(wish(), 401, "invalid_api_key", "authorization", "authentication_error", NO_KEY),
    "no key and no body": Case(
        "", 401, "invalid_api_key", "authorization", "authentication_error", NO_KEY
    ),
    "no bearer": Case(
        wish(),
        401,
        "invalid_api_key",
        "authorization",
        "authentication_error",
        {"authorization": "Basic eDp5"},
    ),
    "unknown key": Case(
        wish(),
        401,
        "invalid_api_key",
        "authorization",
        "authentication_error",
        {"authorization": f"Bearer sk_live_{'a' * 32}"},
    ),
    "no JSON": Case("{", 400, "invalid_request"),
    "empty": Case("", 400, "invalid_request"),
    "no object": Case("[]", 400, "invalid_request"),
    "no input": Case({"voice": "ara"}, 400, "invalid_request", "input"),
    "empty input": Case(wish(input=""), 400, "invalid_request", "input"),
    "blank input": Case(wish(input=" \n"), 400, "invalid_request", "input"),
    "no text": Case(wish(input=5), 400, "invalid_request", "input"),
    "input of 1,001": Case(wish(input="x" * 1_001), 400, "invalid_request", "input"),
    "unknown field": Case(wish(pitch=1), 400, "invalid_request", "pitch"),
    "unknown model": Case(wish(model="tts-9"), 400, "invalid_request", "model"),
    "a clone's model": Case(wish(model="voxtral"), 400, "invalid_request", "model"),
    "no voice": Case({"input": "x"}, 400, "invalid_request", "voice"),
    "both voices": Case(
        wish(voiceId="00000000-0000-4000-a000-000000000301"), 400, "invalid_request", "voiceId"
    ),
    "no id": Case({"input": "x", "voiceId": "ara"}, 400, "invalid_request", "voiceId"),
    "slow": Case(wish(speed=0.69), 400, "invalid_request", "speed"),
    "fast": Case(wish(speed=1.51), 400, "invalid_request", "speed"),
    "hot": Case(wish(temperature=2.1), 400, "invalid_request", "temperature"),
    "half a seed": Case(wish(seed=1.5), 400, "invalid_request", "seed"),
    "unknown format": Case(wish(response_format="flac"), 400, "invalid_request", "response_format"),
    "NUL": Case('{"input": "a\\u0000", "voice": "ara"}', 400, "invalid_request"),
    "unknown voice": Case(wish(voice="nobody"), 404, "voice_not_found", "voice", "not_found_error"),
    "unknown voice id": Case(
        {"input": "x", "voiceId": "00000000-0000-4000-a000-00000000ffff"},
        404,
        "voice_not_found",
        "voiceId",
        "not_found_error",
    ),
    "a call's voice": Case(
        {"input": "x", "voiceId": "00000000-0000-4000-a000-000000000301"},
        404,
        "voice_not_found",
        "voiceId",
        "not_found_error",
    ),
    "another model's voice": Case(
        wish(voice="kore", model="orpheus"), 400, "model_not_found", "model"
    ),
    "501 for Orpheus": Case(
        wish(voice="tara", model="orpheus", input="x" * 501), 400, "input_too_long", "input"
    ),
    "too long with its style": Case(
        wish(voice="kore", model="gpro", input="x" * 900, style="y" * 200),
        400,
        "input_too_long",
        "input",
    ),
    "Gemini has no mp3": Case(
        wish(voice="kore", model="gpro", response_format="mp3"),
        400,
        "unsupported_response_format",
        "response_format",
    ),
    "Orpheus has no wav": Case(
        wish(voice="tara", model="orpheus", response_format="wav"),
        400,
        "unsupported_response_format",
        "response_format",
    ),
}


async def test_every_wrong_request_is_refused_in_the_contract_s_words(
    program: Program, voice: ReadingVoice
) -> None:
    before = await builders.fingerprint(program.web.db)

    for name, case in CASES.items():
        answer = await program.post(SPEECH, case.body, **case.headers)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (case.status, case.code), name
        assert error.keys() == {"message", "type", "param", "code"}, name
        assert (error["type"], error["param"]) == (case.kind, case.param), name
        assert answer.headers["request-id"].startswith("req_sv_"), name
        assert "x-ratelimit-limit-requests" in answer.headers, name
    assert voice.texts == []
    assert await builders.fingerprint(program.web.db) == before


async def test_the_message_says_when_it_is_the_style_that_is_too_much(program: Program) -> None:
    case = CASES["too long with its style"]
    answer = await program.post(SPEECH, case.body)
    assert answer.json()["error"]["message"].endswith("1000 characters after applying style")


async def test_free_accounts_have_a_shorter_text(program: Program) -> None:
    """Everybody has a key only after a purchase; a refund does not take it away."""
    await program.web.db.execute("update credits set paid = false")
    answer = await program.post(SPEECH, wish(voice="kore", model="gpro", input="x" * 501))
    assert answer.json()["error"]["code"] == "input_too_long"


async def test_without_credit_no_provider_is_asked(program: Program, voice: ReadingVoice) -> None:
    poor = await program_of(program.web, balance=10)

    answer = await poor.post(SPEECH, wish())

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (402, "insufficient_credits")
    assert error["type"] == "permission_error"
    assert (voice.texts, await poor.money()) == ([], (10, 0))


async def test_a_key_without_the_scope_may_not_speak(program: Program) -> None:
    reader = await program_of(program.web, scopes=["voices:read"])
    answer = await reader.post(SPEECH, wish())
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")


async def test_a_key_spends_its_own_quota_and_no_more(program: Program) -> None:
    await program.web.db.execute("update api_keys set credit_limit = 100 * 1000000")

    answers = [await program.post(SPEECH, wish()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 402]
    assert answers[1].json()["error"]["code"] == "api_key_quota_exceeded"
    assert await program.money() == (10_000 - len(TEXT), 0)


async def test_too_many_requests_are_told_when_to_come_again(
    db_dsn: str, no_media: Media, voice: ReadingVoice
) -> None:
    async with program_at(db_dsn, no_media, voice, api_requests_per_minute=1) as program:
        answers = [await program.post(SPEECH, "") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 429]
    error = answers[1].json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert answers[1].headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("refused_text", 422, "content_policy_violation"),
        ("broken_text", 503, "provider_unavailable"),
        ("silent_text", 503, "no_audio"),
    ],
)
async def test_what_providers_do_wrong_costs_nothing(
    program: Program, voice: ReadingVoice, fault: str, status: int, code: str
) -> None:
    setattr(voice, fault, TEXT)

    answer = await program.post(SPEECH, wish())

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await program.money() == (10_000, 0)
