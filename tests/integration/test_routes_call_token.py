"""POST /api/call-token: who gets a token, who does not, in which order, and what is left behind."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from billing.money import from_credits
from shared.ids import new_uuid, room_name_of
from tests import builders
from tests.web_process import CALL, Media, Web, running_web, web_settings

BAD_JSON = b"{"
BAD_SCHEMA = json.dumps({"instructions": "x"})


async def test_a_token_lets_the_caller_into_one_room_and_tells_nothing_else(
    web: Web, media: Media
) -> None:
    caller = await web.account()

    answer = await caller.ask_for_call(instructions="The secret prompt.")

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {
        "accessToken",
        "url",
        "callId",
        "expiresAt",
        "creditsPerMinute",
        "maxSeconds",
        "disclosure",
    }
    assert body["url"] == media.url
    assert body["creditsPerMinute"] == 1000
    claims = jwt.decode(body["accessToken"], media.secret, algorithms=["HS256"])
    issued_at, expires_at = claims.pop("nbf"), claims.pop("exp")
    assert expires_at - issued_at == 90
    assert claims == {
        "iss": media.key,
        "sub": "human",
        "video": {
            "roomJoin": True,
            "room": f"ro-{body['callId']}",
            "canPublish": True,
            "canPublishSources": ["microphone"],
            "canSubscribe": True,
            "canPublishData": True,
            "canUpdateOwnMetadata": False,
        },
    }
    assert abs(datetime.fromisoformat(body["expiresAt"]).timestamp() - expires_at) < 2
    assert datetime.fromisoformat(body["expiresAt"]).tzinfo == UTC
    assert room_name_of(body["callId"]) in await media.rooms()


async def test_everything_about_the_call_is_frozen_in_its_rows(web: Web) -> None:
    caller = await web.account(balance=5_000, paid=True)
    await caller.post("/api/age", '{"isAdult": true}')

    answer = await caller.ask_for_call(
        instructions="Be brief.",
        language="de",
        memory=True,
        sceneInstructions="  At the harbour.  ",
        selectedSceneId="power-play",
        somethingNew="is ignored",
        sessionConfig={
            "maxOutputTokens": 4096,
            "model": "grok-voice-think-fast-2.0",
            "temperature": 1.2,
            "voice": "Leo",
        },
    )

    assert answer.status_code == 200, answer.text
    frozen = await web.db.fetchrow("select * from call_configs")
    assert frozen is not None
    assert str(frozen["call_id"]) == answer.json()["callId"]
    assert frozen["instructions"] == "Be brief.\n\nScene instructions:\nAt the harbour."
    assert frozen["model"] == "grok-voice-think-fast-2.0"
    assert frozen["voice"] == "Leo"
    assert frozen["language"] == "de"
    assert "in German" in frozen["greeting"]
    assert (frozen["temperature"], frozen["max_output_tokens"]) == (1.2, 4096)
    assert (frozen["plan"], frozen["free_call"]) == ("paid", False)
    held = await web.db.fetchrow("select balance, reserved from credits")
    assert held is not None
    assert held["reserved"] == from_credits(2_000)  # the first grant, 120 seconds
    assert answer.json()["maxSeconds"] == 300  # 5,000 credits


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("grok-voice-think-fast-1.0", "grok-voice-think-fast-1.0"),
        ("grok-voice-think-fast-2.0", "grok-voice-think-fast-2.0"),
        ("", "the operator's"),
        ("gpt-99", "the operator's"),
    ],
)
async def test_an_unknown_model_becomes_the_operators(
    db_dsn: str, media: Media, asked: str, given: str
) -> None:
    settings = web_settings(db_dsn, media, call_default_model="the operator's")
    async with running_web(settings) as web:
        caller = await web.account()
        config = {"maxOutputTokens": None, "model": asked, "temperature": 0, "voice": "Ara"}
        assert (await caller.ask_for_call(sessionConfig=config)).status_code == 200
        assert await web.db.fetchval("select model from call_configs") == given


# --- the order of checks ---------------------------------------------------------------------


async def test_money_is_checked_before_the_body_is_understood(web: Web) -> None:
    poor = await web.account(balance=999)
    exhausted = await web.account(balance=10_000)
    await _use_up_free_seconds(web, exhausted.account.user_id)
    rich = await web.account()

    for content in (BAD_JSON, BAD_SCHEMA):
        assert (await web.client.post("/api/call-token", content=content)).status_code == 401
        assert (await poor.post("/api/call-token", content)).status_code == 402
        assert (await exhausted.post("/api/call-token", content)).status_code == 403
        assert (await rich.post("/api/call-token", content)).status_code == 400


async def test_poverty_comes_before_the_free_limit(web: Web) -> None:
    caller = await web.account(balance=999)
    await _use_up_free_seconds(web, caller.account.user_id)

    assert (await caller.ask_for_call()).status_code == 402


REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("voice", {"sessionConfig": {**CALL["sessionConfig"], "voice": "Zed"}}, 404, "Voice not found"),  # type: ignore[dict-item] # one nested dict among plain values
    ("character", {"selectedPresetId": str(new_uuid())}, 404, "Character not found"),
    ("scene", {"sceneInstructions": "x"}, 403, "Scenes require a paid account"),
]


@pytest.mark.parametrize(("what", "changes", "status", "words"), REFUSALS)
async def test_what_cannot_be_had_is_refused_in_upstreams_words(
    web: Web, what: str, changes: dict[str, Any], status: int, words: str
) -> None:
    caller = await web.account()
    before = await builders.fingerprint(web.db)

    answer = await caller.ask_for_call(**changes)

    assert (answer.status_code, answer.json()["error"]) == (status, words)
    assert await builders.fingerprint(web.db) == before


async def test_voice_then_character_then_scene(web: Web) -> None:
    caller = await web.account()
    (_, voice, *_), (_, character, *_), (_, scene, *_) = REFUSALS

    everything_wrong = await caller.ask_for_call(**voice, **character, **scene)
    assert everything_wrong.json()["error"] == "Voice not found"
    assert (await caller.ask_for_call(**character, **scene)).status_code == 404


async def test_a_blank_scene_is_no_scene(web: Web) -> None:
    caller = await web.account()
    assert (await caller.ask_for_call(sceneInstructions=" \n ")).status_code == 200


async def test_an_account_in_debt_cannot_start_a_call(web: Web) -> None:
    caller = await web.account(balance=5_000, paid=True)
    await builders.take_credit(web.db, caller.account.user_id, 6_000)
    assert (await caller.ask_for_call()).status_code == 402


async def test_a_frozen_account_starts_nothing_but_can_look(web: Web) -> None:
    caller = await web.account()
    assert (await caller.get("/api/credits")).status_code == 200  # now its id is remembered
    await web.db.execute("update profiles set frozen_at = clock_timestamp()")

    refused = await caller.ask_for_call()

    assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    assert (await caller.get("/api/credits")).status_code == 200


async def test_a_voice_of_somebody_else_is_not_found(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    await web.db.execute(
        """insert into voices(id, user_id, name, model, feature)
           values ($1, $2, 'Mine', 'x', 'call')""",
        new_uuid(),
        owner.account.user_id,
    )
    config = {"maxOutputTokens": None, "model": "", "temperature": 0.8, "voice": "Mine"}

    assert (await other.ask_for_call(sessionConfig=config)).status_code == 404
    assert (await owner.ask_for_call(sessionConfig=config)).status_code == 200


# --- one live call ---------------------------------------------------------------------------


async def test_of_20_parallel_requests_with_credit_for_one_minute_one_gets_a_token(
    web: Web,
) -> None:
    caller = await web.account(balance=1_000, paid=True)

    answers = await asyncio.gather(*(caller.ask_for_call() for _ in range(20)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {402, 409}
    assert await web.db.fetchval("select count(*) from call_sessions") == 1
    row = await web.db.fetchrow("select balance, reserved from credits")
    assert row is not None
    assert (row["balance"], row["reserved"]) == (from_credits(1_000), from_credits(1_000))
    assert await builders.violations(web.db) == []


async def test_a_second_call_is_told_which_one_is_live(web: Web) -> None:
    caller = await web.account()
    first = await caller.ask_for_call()
    before = await builders.fingerprint(web.db)

    second = await caller.ask_for_call()

    assert second.status_code == 409
    assert second.json() == {
        "error": "You already have an active call",
        "message": "You already have an active call (409)",
        "status": 409,
        "serverMessage": "You already have an active call",
        "retryAfter": None,
        "code": "active_call",
        "callId": first.json()["callId"],
    }
    assert await builders.fingerprint(web.db) == before


async def test_an_unanswered_call_gives_way_and_its_room_goes(web: Web, media: Media) -> None:
    caller = await web.account()
    first = (await caller.ask_for_call()).json()["callId"]
    await web.db.execute("update call_sessions set authorized_at = now() - interval '11 s'")

    second = await caller.ask_for_call()

    assert second.status_code == 200, second.text
    rows = await web.db.fetch("select id::text, state from call_sessions")
    states = {row["id"]: row["state"] for row in rows}
    assert states == {first: "expired", second.json()["callId"]: "authorized"}
    await web.app.state.services.background.close()
    assert f"ro-{first}" not in await media.rooms()
    assert await builders.violations(web.db) == []


# --- capacity and trouble --------------------------------------------------------------------


async def test_without_a_free_slot_nobody_is_let_in_and_nothing_is_held(web: Web) -> None:
    first, second = await web.account(), await web.account()
    await builders.worker(web.db, slots=1)
    assert (await first.ask_for_call()).status_code == 200
    before = await builders.fingerprint(web.db)

    refused = await second.ask_for_call()

    assert refused.status_code == 503
    assert refused.json()["code"] == "no_capacity"
    assert refused.headers["Retry-After"] == str(refused.json()["retryAfter"]) == "10"
    assert await builders.fingerprint(web.db) == before


async def test_parallel_callers_never_get_more_tokens_than_there_are_slots(web: Web) -> None:
    callers = [await web.account() for _ in range(12)]
    await builders.worker(web.db, slots=5)

    answers = await asyncio.gather(*(caller.ask_for_call() for caller in callers))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 7


async def test_a_worker_that_fell_silent_has_no_slots(web: Web) -> None:
    caller = await web.account()
    await web.db.execute("update workers set seen_at = now() - interval '7 s'")
    assert (await caller.ask_for_call()).status_code == 503


async def test_calls_of_a_draining_worker_do_not_take_the_slots_of_others(web: Web) -> None:
    first, second = await web.account(), await web.account()
    await builders.worker(web.db, slots=1, worker_id="w1")
    call_id = (await first.ask_for_call()).json()["callId"]
    started = await web.internal(f"/calls/{call_id}/start", {"worker_id": "w1", "job_id": "j"})
    assert started.status_code == 200
    await builders.worker(web.db, slots=0, worker_id="w1")
    await builders.worker(web.db, slots=1, worker_id="w2")

    assert (await second.ask_for_call()).status_code == 200


async def test_without_a_media_server_the_hold_returns(db_dsn: str, no_media: Media) -> None:
    async with running_web(web_settings(db_dsn, no_media)) as web:
        caller = await web.account()

        answer = await caller.ask_for_call()

        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "5"
        call = await web.db.fetchrow("select state, end_reason, seconds from call_sessions")
        assert call is not None
        assert tuple(call) == ("expired", "media_lost", 0)
        assert await web.db.fetchval("select reserved from credits") == 0
        assert await builders.violations(web.db) == []
        # and the account may try again at once
        assert (await caller.ask_for_call()).status_code == 503


async def _use_up_free_seconds(web: Web, user_id: Any) -> None:
    """A past call that used the whole free allowance."""
    call_id = new_uuid()
    price = from_credits(1_000)
    await web.db.execute(
        """insert into call_sessions(id, user_id, state, price_microcredits_per_minute, seconds,
             granted, cost, max_seconds, free_seconds, started_at, ended_at, end_reason)
           values ($1, $2, 'closed', $3, 300, 300, call_cost($3, 300), 3600, 300, now(), now(),
             'caller_hangup')""",
        call_id,
        user_id,
        price,
    )
