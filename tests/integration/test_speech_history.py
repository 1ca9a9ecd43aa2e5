"""History, use, estimates, voices, help with texts: what an account sees of its generations."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from control_plane.routes.generate_voice import VoiceRequest, _order
from local.stack import Stack
from shared.ids import UserId
from tests.integration.speech_rig import COST, TEXT, Speaking, fingerprint, speaking_web
from tests.stack import clean_environment
from tests.web_process import Caller

MICRO = 1_000_000
DAY_S = 86_400


@pytest_asyncio.fixture
async def speaking(db_dsn: str, tmp_path: Path) -> AsyncIterator[Speaking]:
    async with speaking_web(db_dsn, tmp_path) as running:
        yield running
        assert await running.is_right()


@pytest_asyncio.fixture
async def caller(speaking: Speaking) -> Caller:
    return await speaking.web.account(balance=10_000, paid=True)


async def files_of(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await caller.get(f"/api/audio-files{query}")).json()["data"]
    return found


async def delete(caller: Caller, file_id: str) -> int:
    answer = await caller.web.client.delete(f"/api/audio-files/{file_id}", headers=caller.headers)
    return answer.status_code


async def make_old(speaking: Speaking, days: int) -> None:
    for table, column in (("audio_files", "created_at"), ("audio_files", "deleted_at")):
        await speaking.web.db.execute(
            f"update {table} set {column} = {column} - make_interval(days => $1)", days
        )
    await speaking.web.db.execute(
        "update audio_objects set expires_at = expires_at - make_interval(days => $1)", days
    )
    await speaking.web.db.execute(
        "update loose_objects set sweep_after = sweep_after - make_interval(days => $1)", days
    )


async def test_the_history_is_paged_and_newest_first(speaking: Speaking, caller: Caller) -> None:
    for number in range(3):
        await speaking.say(caller, text=f"{TEXT} {number}")
    page = (await caller.get("/api/audio-files?pageSize=2")).json()
    assert (page["totalCount"], page["totalPages"], len(page["data"])) == (3, 2, 2)
    file = page["data"][0]
    assert (file["text_content"], file["voice_name"]) == (f"{TEXT} 2", "alloy")
    assert file["credits_used"] == (len(TEXT) + 2) * 4
    assert (file["source_type"], file["status"]) == ("tts", "active")
    assert (await speaking.web.client.get(file["url"])).status_code == 200
    one = (await caller.get(f"/api/audio-files/{file['id']}")).json()
    assert {**one, "url": ""} == {**file, "url": ""}


async def test_deleting_and_restoring(speaking: Speaking, caller: Caller) -> None:
    await speaking.say(caller)
    [file] = await files_of(caller)
    assert await delete(caller, file["id"]) == 200
    assert await delete(caller, file["id"]) == 200
    assert await files_of(caller) == []
    assert [each["id"] for each in await files_of(caller, "?status=deleted")] == [file["id"]]
    restored = await caller.post(f"/api/audio-files/{file['id']}/restore", "")
    assert restored.json() == {"success": True}
    assert len(await files_of(caller)) == 1


async def test_nobody_touches_anothers_history(speaking: Speaking, caller: Caller) -> None:
    other = await speaking.web.account()
    await speaking.say(caller)
    [file] = await files_of(caller)
    before = await fingerprint(speaking.web)
    assert await delete(other, file["id"]) == 404
    assert (await other.post(f"/api/audio-files/{file['id']}/restore", "")).status_code == 404
    assert (await other.get(f"/api/audio-files/{file['id']}")).status_code == 404
    assert await files_of(other) == []
    assert await fingerprint(speaking.web) == before


async def test_deleting_ones_history_breaks_nobody_elses_link(
    speaking: Speaking, caller: Caller
) -> None:
    other = await speaking.web.account(balance=0)
    await speaking.say(caller)
    link = (await speaking.say(other)).json()["url"]
    [file] = await files_of(caller)
    await delete(caller, file["id"])
    await speaking.retention.round()
    assert (await speaking.web.client.get(link)).status_code == 200
    assert (await speaking.say(other)).status_code == 200


async def test_free_histories_age_and_audio_goes_with_the_last_one(speaking: Speaking) -> None:
    free = await speaking.web.account(balance=10_000)
    await speaking.say(free)

    await make_old(speaking, 31)
    await speaking.retention.round()
    assert await files_of(free) == []
    assert len(await files_of(free, "?status=deleted")) == 1
    assert len(speaking.stored()) == 1

    await make_old(speaking, 16)
    await speaking.retention.round()
    await speaking.retention.round()
    assert await files_of(free, "?status=deleted") == []
    assert len(speaking.stored()) == 1  # a link that was given out still works for a day
    await make_old(speaking, 2)
    await speaking.retention.round()
    assert speaking.stored() == []
    counts = await speaking.counts()
    assert (counts["objects"], counts["loose"], counts["usage"]) == (0, 0, 1)
    assert (await speaking.say(free)).json()["creditsUsed"] == COST  # made anew


async def test_a_paid_history_keeps_its_audio(speaking: Speaking, caller: Caller) -> None:
    await speaking.say(caller)
    await make_old(speaking, 400)
    await speaking.retention.round()
    await speaking.retention.round()
    [file] = await files_of(caller)
    assert (await speaking.web.client.get(file["url"])).status_code == 200


async def test_a_key_is_repeated_only_for_its_own_order(speaking: Speaking, caller: Caller) -> None:
    """As the desk does for programs, which ask for fresh audio with a key."""
    services = speaking.web.app.state.services
    wanted = VoiceRequest(text=TEXT, voiceId=speaking.voice())
    order = await _order(services, UserId(caller.account.user_id), wanted)
    fresh = replace(order, is_fresh=True)
    first = await services.desk.fulfil(fresh, idempotency_key="k")
    again = await services.desk.fulfil(fresh, idempotency_key="k")
    another = await services.desk.fulfil(fresh)
    assert first.object_key == again.object_key != another.object_key
    assert (first.cost, again.cost) == (COST * MICRO, COST * MICRO)
    assert again.charge_id == first.charge_id
    assert (await speaking.counts())["debits"] == 2


async def test_usage_events_and_summaries_tell_of_generations(
    speaking: Speaking, caller: Caller
) -> None:
    await speaking.say(caller)
    await speaking.web.db.execute("delete from audio_files")
    body = (await caller.get("/api/usage-events?includeSummary=true")).json()
    [event] = body["data"]
    assert (event["source_type"], event["unit"], event["quantity"]) == ("tts", "chars", len(TEXT))
    assert (event["credits_used"], event["input_chars"]) == (COST, len(TEXT))
    assert event["model"] == "gpt-4o-mini-tts"
    assert body["totalCount"] == 1
    tts = body["allTimeSummary"]["bySourceType"]["tts"]
    assert tts == body["monthlySummary"]["bySourceType"]["tts"] == {"credits": COST, "count": 1}
    assert (await caller.get("/api/usage-events?sourceType=live_call")).json()["data"] == []


async def _used(speaking: Speaking, caller: Caller, days_ago: int, source: str, model: str) -> None:
    await speaking.say(caller, text=f"{TEXT} {days_ago} {source} {model}")
    await speaking.web.db.execute(
        """update generation_usage set source_type = $1, model = $2,
             occurred_at = date_trunc('day', now() at time zone 'utc') at time zone 'utc'
               - make_interval(days => $3) + interval '1 hour'
           where occurred_at > now() - interval '20 seconds'""",
        source,
        model,
        days_ago,
    )


async def test_billing_usage_comes_in_buckets_and_groups(
    speaking: Speaking, caller: Caller
) -> None:
    await _used(speaking, caller, 1, "api_tts", "a")
    await _used(speaking, caller, 1, "api_tts", "b")
    await _used(speaking, caller, 3, "api_voice_cloning", "a")
    await _used(speaking, caller, 4, "tts", "a")
    await _used(speaking, caller, 50, "api_tts", "a")

    whole = (await caller.get("/api/billing/usage")).json()
    grouped = (await caller.get("/api/billing/usage?group_by=model")).json()
    cloning = (await caller.get("/api/billing/usage?source_type=api_voice_cloning")).json()
    other = await speaking.web.account()

    assert (whole["object"], whole["bucket_width"], whole["group_by"]) == ("list", "1d", None)
    assert [len(bucket["results"]) for bucket in whole["data"]] == [1, 1]
    day = whole["data"][1]
    assert day["object"] == "bucket"
    assert (day["end_time"] - day["start_time"], day["start_time"] % DAY_S) == (DAY_S, 0)
    result = day["results"][0]
    assert (result["requests"], result["model"], result["source_type"]) == (2, None, None)
    assert result["total_credits_used"] == result["total_input_chars"] * 4
    assert [each["model"] for each in grouped["data"][1]["results"]] == ["a", "b"]
    assert [bucket["results"][0]["requests"] for bucket in cloning["data"]] == [1]
    assert (await other.get("/api/billing/usage")).json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        "starting_on=2026-02-02&ending_before=2026-02-02",
        "start_time=10&end_time=5",
        "start_time=0",
        "bucket_width=2d",
        "group_by=user_id",
        "source_type=tts",
        "start_time=99999999999",
        "starting_on=0001-01-01",
        "api_key_id=x",
    ],
)
async def test_a_wrong_range_is_refused(speaking: Speaking, caller: Caller, query: str) -> None:
    assert (await caller.get(f"/api/billing/usage?{query}")).status_code == 400


async def test_estimates_agree_with_the_bill_where_characters_are_billed(
    speaking: Speaking, caller: Caller
) -> None:
    async def estimate(**body: Any) -> Any:
        return await caller.post("/api/estimate-credits", json.dumps(body))

    exact = (await estimate(text=TEXT, voiceId=speaking.voice())).json()
    tokens = (await estimate(text=TEXT, voiceId=speaking.voice("gpro", "kore"))).json()
    wide = (await estimate(text="今天天气很好" * 10, voiceId=speaking.voice("gpro", "kore"))).json()
    missing = await estimate(text=TEXT)
    too_long = await estimate(text="x" * 1_001, voiceId=speaking.voice("gpro", "kore"))
    unknown = await estimate(text=TEXT, voiceId="x")

    assert exact == {"estimatedCredits": COST}
    assert tokens["estimatedCredits"] == pytest.approx(tokens["tokens"] * 1.1)
    assert wide["tokens"] > 60 * 8
    assert [each.status_code for each in (missing, too_long, unknown)] == [400, 400, 404]
    assert speaking.openai.seen == []
    assert speaking.gemini.seen == []


async def test_only_voices_that_can_speak_now_are_listed(
    speaking: Speaking, caller: Caller
) -> None:
    listed = (await caller.get("/api/voices?feature=tts")).json()["data"]
    assert {voice["model"] for voice in listed} == {"openai", "gpro", "gpro31"}
    kore = next(v for v in listed if (v["model"], v["name"]) == ("gpro31", "kore"))
    assert (kore["formats"], kore["supports_style"], kore["is_own"]) == (["wav"], True, False)


async def test_help_with_a_text_comes_from_a_chat_model(
    db_dsn: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("voice"),
        environment=clean_environment(),
        only=("voice",),
    ) as running:
        text = {"text_base_url": running.env["OPENAI_BASE_URL"], "text_model": "local-chat"}
        async with speaking_web(db_dsn, tmp_path, **text, texts_per_minute=5) as speaking:
            caller = await speaking.web.account()
            before = await fingerprint(speaking.web)

            async def ask(**body: Any) -> Any:
                return await caller.post("/api/generate-text", json.dumps(body))

            answer = await ask(prompt="Hello there", selectedVoiceLanguage="en")
            empty, too_long = await ask(prompt=" "), await ask(prompt="x" * 1_001)
            await ask(prompt="a", voiceModel="gpro31")
            await ask(prompt="b")
            throttled = await ask(prompt="c")

            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.text
            assert (empty.status_code, empty.json()["error"]) == (400, "Text is required")
            assert (too_long.status_code, throttled.status_code) == (400, 429)
            assert await fingerprint(speaking.web) == before


async def test_without_a_chat_model_there_is_no_help(speaking: Speaking, caller: Caller) -> None:
    answer = await caller.post("/api/generate-text", '{"prompt": "hello"}')
    assert (answer.status_code, answer.json()["code"]) == (503, "text_model_missing")
