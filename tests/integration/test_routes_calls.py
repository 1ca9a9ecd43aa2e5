"""GET /api/calls, /api/usage-events, /api/credits, /api/voices: what an account sees of itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from billing.money import from_credits
from shared.end_reasons import ENDINGS
from shared.ids import new_uuid
from tests import builders
from tests.web_process import Caller, Web

PRICE = from_credits(1_000)


async def past_call(
    web: Web,
    caller: Caller,
    *,
    seconds: int = 90,
    state: str = "closed",
    reason: str | None = "caller_hangup",
    ended_ago: str = "1 minute",
    model: str = "m",
) -> str:
    """A call that is over, as the charging functions would have left it, without its money."""
    call_id = new_uuid()
    await web.db.execute(
        """insert into call_sessions(id, user_id, state, price_microcredits_per_minute, seconds,
             granted, cost, max_seconds, authorized_at, started_at, ended_at, end_reason)
           values ($1, $2, $3, $4, $5, $5, call_cost($4, $5), 3600,
             now() - $7::text::interval - make_interval(secs => $5 + 7),
             now() - $7::text::interval - make_interval(secs => $5 + 5),
             now() - $7::text::interval, $6)""",
        call_id,
        caller.account.user_id,
        state,
        PRICE,
        seconds,
        reason,
        ended_ago,
    )
    await web.db.execute(
        """insert into call_configs(call_id, room_name, plan, model, voice, language, instructions,
             greeting, free_call)
           values ($1, $2, 'paid', $3, 'Ara', 'en', 'secret', 'hi', false)""",
        call_id,
        f"ro-{call_id}",
        model,
    )
    return str(call_id)


async def test_a_call_in_full(web: Web) -> None:
    caller = await web.account()
    call_id = await past_call(web, caller, seconds=90)

    answer = await caller.get(f"/api/calls/{call_id}")

    assert answer.status_code == 200, answer.text
    body = answer.json()
    times = [datetime.fromisoformat(body.pop(f"{what}At")) for what in ("started", "ended")]
    assert (times[1] - times[0]).total_seconds() == 95
    assert datetime.fromisoformat(body.pop("createdAt")) < times[0]
    assert body == {
        "id": call_id,
        "status": "completed",
        "endReason": "caller_hangup",
        "endedBy": "caller",
        "endWords": "You ended the call.",
        "durationSeconds": 95,
        "billedSeconds": 90,
        "creditsUsed": 1500,
        "creditsPerMinute": 1000,
        "model": "m",
        "voice": "Ara",
        "language": "en",
        "freeCall": False,
        "transcript": [],
        "gaps": [],
        "title": None,
        "highlights": [],
    }


async def test_a_call_that_can_be_joined_has_neither_begun_nor_ended(web: Web) -> None:
    caller = await web.account()
    call_id = (await caller.ask_for_call()).json()["callId"]
    body = (await caller.get(f"/api/calls/{call_id}")).json()
    assert (body["status"], body["freeCall"]) == ("authorized", True)
    assert [body[key] for key in ("startedAt", "endedAt", "endReason", "endWords")] == [None] * 4
    assert (body["durationSeconds"], body["billedSeconds"], body["creditsUsed"]) == (0, 0, 0)


async def test_an_ended_call_went_well_when_the_caller_ended_it(web: Web) -> None:
    caller = await web.account()
    for reason, ending in ENDINGS.items():
        call_id = await past_call(web, caller, reason=reason)
        body = (await caller.get(f"/api/calls/{call_id}")).json()
        went = "completed" if ending.owner == "caller" else "error"
        assert (body["status"], body["endReason"]) == (went, reason)
        assert (body["endedBy"], body["endWords"]) == (ending.owner, ending.words)


async def test_somebody_elses_call_is_as_unknown_as_none(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    call_id = await past_call(web, owner)

    answers = [
        await other.get(f"/api/calls/{id_}") for id_ in (call_id, new_uuid(), call_id.upper())
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert (await other.get("/api/calls")).json()["totalCount"] == 0
    assert (await other.get("/api/usage-events")).json()["totalCount"] == 0


async def test_calls_come_newest_first_in_pages(web: Web) -> None:
    caller = await web.account()
    ids = [await past_call(web, caller, ended_ago=f"{hours} hours") for hours in range(1, 6)]

    first = (await caller.get("/api/calls?pageSize=2")).json()
    last = (await caller.get("/api/calls?pageSize=2&page=3")).json()
    beyond = (await caller.get("/api/calls?pageSize=2&page=4")).json()

    assert [call["id"] for call in first["data"]] == ids[:2]
    assert [call["id"] for call in last["data"]] == ids[4:]
    assert beyond["data"] == []
    assert {**first, "data": None} == {
        "data": None,
        "page": 1,
        "pageSize": 2,
        "totalCount": 5,
        "totalPages": 3,
    }
    assert "transcript" not in first["data"][0]


# --- usage -----------------------------------------------------------------------------------


async def test_usage_is_one_entry_for_each_ended_call_with_billed_seconds(web: Web) -> None:
    caller = await web.account()
    call_id = await past_call(web, caller, seconds=90, model="grok")
    await past_call(web, caller, seconds=0, state="expired", reason="caller_never_joined")
    await caller.ask_for_call()

    body = (await caller.get("/api/usage-events")).json()

    occurred_at = datetime.fromisoformat(body["data"][0].pop("occurred_at"))
    ended_at = await web.db.fetchval(
        "select ended_at from call_sessions where id = $1", UUID(call_id)
    )
    assert occurred_at == ended_at
    assert body == {
        "data": [
            {
                "id": call_id,
                "source_type": "live_call",
                "source_id": call_id,
                "unit": "secs",
                "quantity": 90,
                "credits_used": 1500,
                "model": "grok",
                "duration_seconds": 90,
                "metadata": {},
            }
        ],
        "page": 1,
        "pageSize": 20,
        "totalCount": 1,
        "totalPages": 1,
    }


async def test_summaries_cover_all_six_sources_and_the_calendar_month(web: Web) -> None:
    caller = await web.account()
    await past_call(web, caller, seconds=60, ended_ago="0 seconds")
    await past_call(web, caller, seconds=61, ended_ago="40 days")

    body = (await caller.get("/api/usage-events?includeSummary=true&sourceType=tts")).json()

    assert body["data"] == []
    nothing = {"credits": 0, "count": 0}
    others = "tts voice_cloning audio_processing api_tts api_voice_cloning".split()
    month, ever = body["monthlySummary"], body["allTimeSummary"]
    assert month == {
        "bySourceType": {
            **dict.fromkeys(others, nothing),
            "live_call": {"credits": 1000, "count": 1},
        },
        "totalCredits": 1000,
        "totalOperations": 1,
    }
    assert ever["totalOperations"] == 2
    assert ever["totalCredits"] == ever["bySourceType"]["live_call"]["credits"] == 2016.666667


async def test_usage_can_be_asked_for_one_source(web: Web) -> None:
    caller = await web.account()
    await past_call(web, caller)
    calls = (await caller.get("/api/usage-events?sourceType=live_call")).json()
    speech = (await caller.get("/api/usage-events?sourceType=api_tts")).json()
    assert (calls["totalCount"], speech["totalCount"], speech["totalPages"]) == (1, 0, 0)


# --- credits and voices ----------------------------------------------------------------------


async def test_credits_say_what_is_held_and_what_is_owed(web: Web) -> None:
    caller = await web.account(balance=5_000, paid=True)
    await caller.ask_for_call()
    held = (await caller.get("/api/credits")).json()
    assert held.items() >= {"amount": 5000, "reserved": 2000, "available": 3000, "debt": 0}.items()
    await builders.take_credit(web.db, caller.account.user_id, 4_000)
    owed = (await caller.get("/api/credits")).json()
    assert owed.items() >= {"amount": 2000, "reserved": 2000, "available": 0, "debt": 1000}.items()


async def test_call_voices_are_listed_in_upstreams_order(web: Web) -> None:
    caller = await web.account()
    voices: list[dict[str, Any]] = (await caller.get("/api/voices?feature=call")).json()["data"]
    assert [voice["name"] for voice in voices] == ["Ara", "Rex", "Sal", "Eve", "Leo"]
    assert voices[0] == {
        "id": "00000000-0000-4000-a000-000000000301",
        "name": "Ara",
        "description": "female, warm",
        "language": "multiple",
        "feature": "call",
        "model": "xai",
        "type": None,
        "is_public": True,
        "is_nsfw": False,
        "is_own": False,
        "sample_url": None,
        "sample_prompt": None,
        "sort_order": 0,
        "formats": [],
        "supports_style": False,
        "supports_streaming": False,
    }
    # No provider of speech has a key here, so none of its voices is offered.
    assert (await caller.get("/api/voices?feature=tts")).json() == {"data": []}


async def test_a_voice_of_ones_own_is_listed_to_nobody_else(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    await web.db.execute(
        """insert into voices(id, user_id, name, model, is_public, feature)
           values ($1, $2, 'Mine', 'xai', true, 'call')""",
        new_uuid(),
        owner.account.user_id,
    )
    for caller, is_listed in ((owner, True), (other, False)):
        listed = (await caller.get("/api/voices?feature=call")).json()["data"]
        assert ("Mine" in [voice["name"] for voice in listed]) is is_listed
