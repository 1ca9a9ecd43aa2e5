"""POST /api/generate-voice: what is made, stored and paid for, and what is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from control_plane.errors import VoiceNotFound
from control_plane.routes.generate_voice import VoiceRequest, _order
from shared.ids import UserId
from tests import builders
from tests.fakes.providers.trouble import Trouble
from tests.integration.speech_rig import COST, TEXT, Speaking, fingerprint, speaking_web
from tests.web_process import Caller

MICRO = 1_000_000
NOTHING = dict.fromkeys(("objects", "files", "usage", "debits", "holds", "loose"), 0)


@pytest_asyncio.fixture
async def speaking(db_dsn: str, tmp_path: Path) -> AsyncIterator[Speaking]:
    async with speaking_web(db_dsn, tmp_path) as running:
        yield running
        assert await running.is_right()


@pytest_asyncio.fixture
async def caller(speaking: Speaking) -> Caller:
    return await speaking.web.account(balance=10_000, paid=True)


async def test_fresh_audio_is_stored_debited_and_remembered(
    speaking: Speaking, caller: Caller
) -> None:
    answer = await speaking.say(caller)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["creditsUsed"], body["creditsRemaining"]) == (COST, 10_000 - COST)
    audio = await speaking.web.client.get(body["url"])
    assert (audio.status_code, audio.headers["content-type"]) == (200, "audio/wav")
    assert audio.content.startswith(b"RIFF")
    assert await speaking.balance(caller) == ((10_000 - COST) * MICRO, 0)
    counts = await speaking.counts()
    assert {**counts} == {
        **NOTHING,
        "objects": 1,
        "files": 1,
        "usage": 1,
        "debits": 1,
        "released": 0,
    }
    [key] = speaking.stored()
    file = await speaking.web.db.fetchrow("select * from audio_files")
    assert file is not None
    assert (file["object_key"], file["text_content"], file["cost"]) == (key, TEXT, COST * MICRO)
    used = await speaking.web.db.fetchrow("select * from generation_usage")
    assert used is not None
    assert (used["source_type"], used["unit"], used["quantity"]) == ("tts", "chars", len(TEXT))


async def test_the_same_again_is_free_and_changes_nothing(
    speaking: Speaking, caller: Caller
) -> None:
    first = (await speaking.say(caller)).json()
    poor = await speaking.web.account(balance=0)
    before = await fingerprint(speaking.web)

    again, of_poor = await speaking.say(caller), await speaking.say(poor)

    assert again.json().keys() == {"url"}
    assert of_poor.status_code == 200
    assert again.json()["url"].partition("?")[0] == first["url"].partition("?")[0]
    assert await fingerprint(speaking.web) == before
    assert len(speaking.openai.seen) == 1


async def test_what_would_sound_otherwise_is_made_anew(speaking: Speaking, caller: Caller) -> None:
    await speaking.say(caller)
    await speaking.say(caller, speed=1.2)
    await speaking.say(caller, text=TEXT + "!")
    await speaking.say(caller, voiceId=speaking.voice(name="nova"))
    await speaking.web.db.execute("update voices set version = 2 where name = 'alloy'")
    await speaking.say(caller)
    assert (await speaking.counts())["objects"] == 5
    assert len(speaking.openai.seen) == 5


async def test_200_identical_requests_make_one_call_and_one_debit(
    speaking: Speaking, caller: Caller
) -> None:
    others = [await speaking.web.account(balance=10_000) for _ in range(3)]
    speaking.openai.trouble, speaking.openai.times = Trouble.FAILS, 1  # and still one debit

    answers = await asyncio.gather(
        *(speaking.say(who) for who in [caller, *others] for _ in range(50))
    )

    assert {answer.status_code for answer in answers} == {200}
    paying = [answer for answer in answers if "creditsUsed" in answer.json()]
    assert len(paying) == 1
    counts = await speaking.counts()
    assert (counts["objects"], counts["debits"], counts["holds"]) == (1, 1, 0)
    assert len(speaking.stored()) == 1
    assert len(speaking.openai.seen) == 2  # the failed one and its repetition


BAD_BODIES: list[tuple[str, str]] = [
    ("", "Request body is empty"),
    ("null", "Request body is empty"),
    ("{", "Invalid JSON in request body"),
    ("[]", "Invalid request body"),
    ('{"text": "hello"}', "Missing required parameters"),
    ('{"voiceId": "x"}', "Missing required parameters"),
    ('{"text": "", "voiceId": "x"}', "Missing required parameters"),
    ('{"text": 7, "voiceId": "x"}', "Invalid request body"),
    ('{"text": "hello", "voiceId": "x", "seed": -1}', "Invalid request body"),
    ('{"text": "hello", "voiceId": "x", "temperature": "hot"}', "Invalid request body"),
    ('{"text": "hello", "voiceId": "x", "speed": 1e999}', "Invalid request body"),
]


@pytest.mark.parametrize(("body", "error"), BAD_BODIES)
async def test_a_wrong_body_is_refused_and_changes_nothing(
    speaking: Speaking, caller: Caller, body: str, error: str
) -> None:
    before = await fingerprint(speaking.web)
    answer = await caller.post("/api/generate-voice", body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["message"] == f"{error} (400)"
    assert await fingerprint(speaking.web) == before


async def test_nobody_without_a_session_gets_anything(speaking: Speaking) -> None:
    answer = await speaking.web.client.post("/api/generate-voice", content="{}")
    assert (answer.status_code, answer.json()["error"]) == (401, "User not found")


async def test_unknown_hidden_and_foreign_voices_are_not_found(
    speaking: Speaking, caller: Caller
) -> None:
    other = await speaking.web.account()
    foreign = await speaking.web.db.fetchval(
        "insert into voices(id, user_id, name, model, is_public) values "
        "(gen_random_uuid(), $1, 'Mine', 'openai', true) returning id::text",
        other.account.user_id,
    )
    await speaking.web.db.execute(
        "update voices set disabled_at = now() where model = 'openai' and name = 'onyx'"
    )
    disabled = speaking.voice(name="onyx")
    without_key = speaking.voice("xai", "ara")
    a_call_voice = "00000000-0000-4000-a000-000000000301"
    for voice in (
        "x",
        "00000000-0000-4000-a000-0000000009ff",
        foreign,
        disabled,
        without_key,
        a_call_voice,
    ):
        answer = await speaking.say(caller, voiceId=voice)
        assert (answer.status_code, answer.json()["error"]) == (404, "Voice not found"), voice
    assert (await speaking.say(other, voiceId=foreign)).status_code == 200


@pytest.mark.parametrize(("paid", "limit"), [(True, 1_000), (False, 500)])
async def test_lengths_are_limited_by_plan(speaking: Speaking, paid: bool, limit: int) -> None:
    caller = await speaking.web.account(balance=100_000, paid=paid)
    voice = speaking.voice("gpro31", "kore")
    too_long = await speaking.say(caller, text="x" * (limit + 1), voiceId=voice)
    styled = await speaking.say(
        caller, voiceId=voice, styleVariant="y" * ((2_500 if paid else 1_000) + 1)
    )
    assert too_long.status_code == styled.status_code == 400
    assert too_long.json()["error"] == f"Text exceeds the maximum length of {limit} characters"
    assert styled.json()["error"].startswith("Style exceeds the maximum length of")


@pytest.mark.parametrize("poverty", ["nothing", "a little less", "debt"])
async def test_who_cannot_pay_gets_402_and_no_provider_is_asked(
    speaking: Speaking, poverty: str
) -> None:
    caller = await speaking.web.account(
        balance={"nothing": 0, "a little less": COST - 1, "debt": 1_000}[poverty]
    )
    if poverty == "debt":
        await builders.take_credit(speaking.web.db, caller.account.user_id, 1_001)
    before = await fingerprint(speaking.web)
    answer = await speaking.say(caller)
    assert (answer.status_code, answer.json()["error"]) == (402, "Insufficient credits")
    assert await fingerprint(speaking.web) == before
    assert speaking.openai.seen == []


async def test_a_frozen_account_starts_nothing(speaking: Speaking, caller: Caller) -> None:
    await speaking.web.db.execute("update profiles set frozen_at = now()")
    answer = await speaking.say(caller)
    assert (answer.status_code, answer.json()["code"]) == (403, "account_frozen")
    assert speaking.openai.seen == []


TROUBLES: list[tuple[Trouble, int, str]] = [
    (Trouble.FAILS, 503, "provider_unavailable"),
    (Trouble.IS_AWAY, 503, "provider_unavailable"),
    (Trouble.RATE_LIMITS, 429, "provider_quota_exceeded"),
    (Trouble.REFUSES_CONTENT, 422, "content_policy_violation"),
    (Trouble.FINDS_IT_TOO_LONG, 400, "input_too_long"),
    (Trouble.SENDS_NO_AUDIO, 503, "no_audio"),
    (Trouble.SENDS_GARBAGE, 503, "no_audio"),
    (Trouble.SENDS_A_PAGE, 503, "no_audio"),
]


@pytest.mark.parametrize(("trouble", "status", "code"), TROUBLES)
async def test_failed_work_costs_nothing_and_frees_its_hold_at_once(
    speaking: Speaking, caller: Caller, trouble: Trouble, status: int, code: str
) -> None:
    speaking.openai.trouble = trouble
    answer = await speaking.say(caller)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)
    counts = await speaking.counts()
    assert (counts["objects"], counts["debits"], counts["released"]) == (0, 0, 1)


async def test_bad_audio_is_asked_for_once_more_at_our_expense(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.openai.trouble, speaking.openai.times = Trouble.SENDS_GARBAGE, 1
    answer = await speaking.say(caller)
    assert (answer.status_code, answer.json()["creditsUsed"]) == (200, COST)
    assert len(speaking.openai.seen) == 2


async def test_an_answer_that_cannot_be_the_text_is_not_sold(
    speaking: Speaking, caller: Caller
) -> None:
    """Truncated audio was billed as complete upstream."""
    answer = await speaking.say(caller, text="Word " * 190, voiceId=speaking.voice())
    assert (answer.status_code, answer.json()["code"]) == (503, "no_audio")
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)


async def test_a_text_without_spaces_costs_what_it_costs(
    speaking: Speaking, caller: Caller
) -> None:
    """Priced by words, a Chinese text cost as much as one word."""
    text = "今天天气很好我们去公园散步吧"
    answer = await speaking.say(caller, text=text)
    assert answer.json()["creditsUsed"] == len(text) * 4


async def test_tokens_are_billed_as_the_provider_counts_them(
    speaking: Speaking, caller: Caller
) -> None:
    answer = await speaking.say(caller, voiceId=speaking.voice("gpro", "kore"))
    assert answer.json()["creditsUsed"] == 110  # 100 tokens at 1.1; upstream's floats made it 111


async def test_free_accounts_pay_twice_on_gemini_3(speaking: Speaking) -> None:
    free = await speaking.web.account(balance=10_000)
    answer = await speaking.say(free, voiceId=speaking.voice("gpro31", "kore"))
    assert answer.json()["creditsUsed"] == 220


async def test_a_fallback_is_billed_at_its_own_price(speaking: Speaking, caller: Caller) -> None:
    speaking.gemini.failing_models = ("gemini-2.5-pro-preview-tts",)
    answer = await speaking.say(caller, voiceId=speaking.voice("gpro", "kore"))
    assert answer.json()["creditsUsed"] == 110
    charge = await speaking.web.db.fetchrow("select model from generation_charges")
    assert charge is not None
    assert charge["model"] == "gemini-2.5-flash-preview-tts"


async def test_tokens_nobody_counted_are_measured_on_the_audio(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.gemini.usage = None
    answer = await speaking.say(caller, voiceId=speaking.voice("gpro", "kore"))
    duration_ms = await speaking.web.db.fetchval("select duration_ms from audio_objects")
    tokens = -(-(len(TEXT) * 250 + duration_ms * 32) // 1_000)
    assert answer.json()["creditsUsed"] == tokens * 11 / 10


async def test_free_accounts_have_ten_generations_with_the_dearest_voice(
    speaking: Speaking,
) -> None:
    free = await speaking.web.account(balance=100_000)
    voice = speaking.voice("gpro", "kore")
    answers = await asyncio.gather(
        *(speaking.say(free, voiceId=voice, text=f"{TEXT} {n}") for n in range(14))
    )
    by_status: dict[int, list[Any]] = {}
    for answer in answers:
        by_status.setdefault(answer.status_code, []).append(answer.json())
    # Nobody squeezes through: ten at most, and those that found no seat may come again.
    assert len(by_status[200]) <= 10
    for number in range(20, 34):
        await speaking.say(free, voiceId=voice, text=f"{TEXT} {number}")
    refused = await speaking.say(free, voiceId=voice, text=f"{TEXT} once more")
    assert (await speaking.counts())["files"] == 10
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "gproLimitExceeded")
    await speaking.web.db.execute("delete from audio_files")  # history does not reset it
    await speaking.web.db.execute("delete from audio_objects")
    assert (await speaking.say(free, voiceId=voice, text=f"{TEXT} 0!")).status_code == 403


async def test_free_accounts_have_no_seed_and_no_temperature(speaking: Speaking) -> None:
    free = await speaking.web.account(balance=10_000)
    voice = speaking.voice("gpro31", "kore")
    await speaking.say(free, voiceId=voice, seed=7, temperature=1.5)
    answer = await speaking.say(free, voiceId=voice)
    assert "creditsUsed" not in answer.json()  # the same audio


async def test_ones_own_voice_is_heard_by_nobody_else(speaking: Speaking, caller: Caller) -> None:
    voice = await speaking.web.db.fetchval(
        "insert into voices(id, user_id, name, provider_name, model) values "
        "(gen_random_uuid(), $1, 'Mine', 'alloy', 'openai') returning id::text",
        caller.account.user_id,
    )
    other = await speaking.web.account(balance=10_000)
    assert (await speaking.say(caller, voiceId=voice)).status_code == 200
    assert (await speaking.say(other, voiceId=voice)).status_code == 404
    await speaking.web.db.execute(
        "update voices set disabled_at = now() where id = $1::uuid", voice
    )
    assert (await speaking.say(caller, voiceId=voice)).status_code == 404


async def test_a_voice_disabled_during_the_work_delivers_nothing(
    speaking: Speaking, caller: Caller
) -> None:
    voice = await speaking.web.db.fetchval(
        "insert into voices(id, user_id, name, provider_name, model) values "
        "(gen_random_uuid(), $1, 'Mine', 'alloy', 'openai') returning id::text",
        caller.account.user_id,
    )
    speaking.openai.trouble = Trouble.STALLS
    asked = asyncio.create_task(speaking.say(caller, voiceId=voice))
    async with asyncio.timeout(10):
        while not speaking.openai.seen:
            await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    speaking.openai.trouble = None
    await speaking.web.db.execute("begin")
    await speaking.web.db.execute("update voices set version = version where id = $1::uuid", voice)
    asked = asyncio.create_task(speaking.say(caller, voiceId=voice))
    async with asyncio.timeout(10):
        while len(speaking.openai.seen) < 2:
            await asyncio.sleep(0.01)
    await speaking.web.db.execute(
        "update voices set disabled_at = now() where id = $1::uuid", voice
    )
    await speaking.web.db.execute("commit")
    answer = await asked
    assert answer.status_code == 404
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)


async def test_the_same_key_gives_the_first_answer(speaking: Speaking, caller: Caller) -> None:
    body = json.dumps({"text": TEXT, "voiceId": speaking.voice()})
    headers = {**caller.headers, "Idempotency-Key": "one"}

    async def ask(content: str) -> Any:
        return await speaking.web.client.post(
            "/api/generate-voice", content=content, headers=headers
        )

    first, again = await ask(body), await ask(body)
    other = await ask(body.replace("moment", "minute"))
    assert first.json()["creditsUsed"] == COST
    assert again.json()["url"].partition("?")[0] == first.json()["url"].partition("?")[0]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert (await speaking.counts())["debits"] == 1


async def test_a_voice_disabled_just_before_is_not_asked_for_again_and_again(
    speaking: Speaking, caller: Caller
) -> None:
    """Its cached audio was no hit any more, and in the way of every new one."""
    await speaking.say(caller)
    services = speaking.web.app.state.services
    wanted = VoiceRequest(text=TEXT, voiceId=speaking.voice())
    order = await _order(services, UserId(caller.account.user_id), wanted)
    await speaking.web.db.execute("update voices set disabled_at = now() where name = 'alloy'")
    with pytest.raises(VoiceNotFound):
        async with asyncio.timeout(20):
            await services.desk.fulfil(order)
    assert len(speaking.openai.seen) == 2
    assert await speaking.balance(caller) == ((10_000 - COST) * MICRO, 0)


async def test_voices_that_cannot_stream_say_so_before_anything_else(
    db_dsn: str, tmp_path: Path
) -> None:
    key = "key of the tests"
    async with speaking_web(db_dsn, tmp_path, replicate_api_token=key) as speaking:
        caller = await speaking.web.account()
        voice = speaking.voice("orpheus", "dan")
        answer = await speaking.say(caller, voiceId=voice, text="x" * 2_000, stream=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "stream_not_offered")


async def test_hits_with_everybodys_voice_are_remembered_for_some_seconds(
    db_dsn: str, tmp_path: Path
) -> None:
    """A process asks neither Redis nor the database for what many want at once."""
    limits = {"cache_believed_s": 60, "generations_per_minute": 20}
    async with speaking_web(db_dsn, tmp_path, **limits) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        first = (await speaking.say(caller)).json()["url"].partition("?")[0]
        await speaking.say(caller)
        await speaking.web.db.execute("update voices set disabled_at = now() where name = 'alloy'")
        again = await speaking.say(caller)
        fresh = await speaking.say(caller, text=TEXT + "!")
        other = await speaking.say(await speaking.web.account(balance=10_000))
        flood = [await speaking.say(caller) for _ in range(30)]
    assert again.json()["url"].partition("?")[0] == first
    assert again.json().keys() == {"url"}
    assert (fresh.status_code, other.status_code) == (404, 404)
    assert {answer.status_code for answer in flood} == {200, 429}
    assert len(speaking.openai.seen) == 1


async def test_ones_own_voice_is_never_remembered(db_dsn: str, tmp_path: Path) -> None:
    async with speaking_web(db_dsn, tmp_path, cache_believed_s=60) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        voice = await speaking.web.db.fetchval(
            "insert into voices(id, user_id, name, provider_name, model) values "
            "(gen_random_uuid(), $1, 'Mine', 'alloy', 'openai') returning id::text",
            caller.account.user_id,
        )
        for _ in range(3):
            assert (await speaking.say(caller, voiceId=voice)).status_code == 200
        await speaking.web.db.execute(
            "update voices set disabled_at = now() where id = $1::uuid", voice
        )
        assert (await speaking.say(caller, voiceId=voice)).status_code == 404
