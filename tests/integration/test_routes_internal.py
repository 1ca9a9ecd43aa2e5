"""/internal/v1 as agent workers use it: the life of a call, lost replies, and who is refused."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from billing.money import from_credits
from shared.call_protocol import CallConfig, CloseAnswer, SettleAnswer
from shared.ids import new_uuid
from tests import builders
from tests.web_process import WORKER_CREDENTIAL, Caller, Media, Web

WORKER = {"worker_id": "w1"}


async def begin(caller: Caller, **changes: Any) -> str:
    """A call with a token; its id."""
    answer = await caller.ask_for_call(**changes)
    assert answer.status_code == 200, answer.text
    call_id: str = answer.json()["callId"]
    return call_id


async def start(web: Web, call_id: str, *, job: str = "job-1", worker: str = "w1") -> CallConfig:
    answer = await web.internal(f"/calls/{call_id}/start", {"worker_id": worker, "job_id": job})
    assert answer.status_code == 200, answer.text
    return CallConfig.model_validate_json(answer.content)


async def talked(web: Web, call_id: str, *, ago_s: int) -> None:
    """Move the call into the past, so that its seconds are plausible."""
    await web.db.execute(
        """update call_sessions set answered_at = answered_at - make_interval(secs => $2),
             started_at = started_at - make_interval(secs => $2) where id = $1""",
        UUID(call_id),
        ago_s,
    )


async def settle(web: Web, call_id: str, *, seconds: int, epoch: int = 1) -> SettleAnswer:
    report = {"id": call_id, "epoch": epoch, "seconds": seconds}
    answer = await web.internal("/calls/settle", {**WORKER, "calls": [report]})
    assert answer.status_code == 200, answer.text
    return SettleAnswer.model_validate_json(answer.content)


def close_order(seconds: int, *, epoch: int = 1, reason: str = "caller_hangup") -> dict[str, Any]:
    return {**WORKER, "epoch": epoch, "seconds": seconds, "reason": reason}


# --- one call from start to end --------------------------------------------------------------


async def test_a_call_is_started_settled_and_closed_with_one_debit(web: Web, media: Media) -> None:
    caller = await web.account()
    call_id = await begin(caller, instructions="Be a lighthouse keeper.", language="fr")

    config = await start(web, call_id)
    assert str(config.call_id) == call_id
    assert (config.epoch, config.seconds, config.granted_seconds) == (1, 0, 120)
    assert (config.room_name, config.caller_identity) == (f"ro-{call_id}", "human")
    assert (config.voice, config.language) == ("Ara", "fr")
    assert config.instructions == "Be a lighthouse keeper."
    assert "in French" in config.greeting
    assert (config.silence_limit_s, config.join_limit_s, config.rejoin_limit_s) == (45, 60, 20)

    await talked(web, call_id, ago_s=60)
    (grant,) = (await settle(web, call_id, seconds=50)).calls
    assert (grant.standing, grant.seconds, grant.granted_seconds) == ("open", 50, 170)

    await talked(web, call_id, ago_s=11)
    answer = await web.internal(f"/calls/{call_id}/close", close_order(61))
    assert answer.status_code == 200, answer.text
    closed = CloseAnswer.model_validate_json(answer.content)
    assert (closed.seconds, closed.end_reason, closed.already_closed) == (
        61,
        "caller_hangup",
        False,
    )
    debits = await web.db.fetch("select amount from credit_transactions where kind = 'call'")
    assert [row["amount"] for row in debits] == [-1_016_666_667]  # 61 s at 1,000 a minute
    assert await web.db.fetchval("select reserved from credits") == 0
    assert await builders.violations(web.db) == []
    await web.app.state.services.background.close()
    assert f"ro-{call_id}" not in await media.rooms()


async def test_the_agent_is_told_no_price_no_balance_and_no_user(web: Web) -> None:
    caller = await web.account(balance=7_777, paid=True)
    call_id = await begin(caller)
    answer = await web.internal(f"/calls/{call_id}/start", {**WORKER, "job_id": "j"})
    assert "price" not in answer.text
    assert "credit" not in answer.text.replace('"remaining_credit"', "")  # the tool's name
    assert str(caller.account.user_id) not in answer.text
    assert caller.account.email not in answer.text


async def test_the_same_job_gets_the_same_answer_again(web: Web) -> None:
    call_id = await begin(await web.account())
    assert await start(web, call_id) == await start(web, call_id)


async def test_another_job_is_refused_while_the_first_is_fresh_and_fences_it_later(
    web: Web,
) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id, job="job-1")

    order = {**WORKER, "job_id": "job-2"}
    refused = await web.internal(f"/calls/{call_id}/start", order)
    assert (refused.status_code, refused.json()["code"]) == (409, "call_taken")

    await web.db.execute("update call_sessions set last_seen_at = now() - interval '21 s'")
    assert (await start(web, call_id, job="job-2")).epoch == 2
    (grant,) = (await settle(web, call_id, seconds=1, epoch=1)).calls
    assert grant.standing == "fenced"
    fenced = await web.internal(f"/calls/{call_id}/close", close_order(1, epoch=1))
    assert (fenced.status_code, fenced.json()["code"]) == (409, "fenced")
    assert await web.db.fetchval("select state from call_sessions") == "authorized"


@pytest.mark.parametrize(
    ("balance", "paid", "limited"),
    [(10_000, False, True), (4_000, False, False), (10_000, True, False)],
)
async def test_the_agent_knows_whether_the_free_allowance_is_the_limit(
    web: Web, balance: int, paid: bool, limited: bool
) -> None:
    call_id = await begin(await web.account(balance=balance, paid=paid))
    assert (await start(web, call_id)).free_limited is limited


async def test_a_free_call_is_never_granted_more_than_the_allowance(web: Web) -> None:
    call_id = await begin(await web.account(balance=100_000))
    await start(web, call_id)
    await talked(web, call_id, ago_s=400)
    for seconds in (100, 399, 399):
        (grant,) = (await settle(web, call_id, seconds=seconds)).calls
        await talked(web, call_id, ago_s=400)
    assert (grant.seconds, grant.granted_seconds, grant.final_unit) == (300, 300, True)


# --- lost, repeated and absurd reports -------------------------------------------------------


async def test_a_repeated_close_answers_how_the_call_ended(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await talked(web, call_id, ago_s=20)
    await web.internal(f"/calls/{call_id}/close", close_order(10))
    before = await builders.fingerprint(web.db)

    again = await web.internal(
        f"/calls/{call_id}/close", close_order(20, epoch=7, reason="agent_error")
    )

    assert again.json() == {
        "id": call_id,
        "seconds": 10,
        "end_reason": "caller_hangup",
        "already_closed": True,
    }
    assert await builders.fingerprint(web.db) == before


async def test_a_call_that_never_ran_expires_without_a_debit(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await web.internal(f"/calls/{call_id}/close", close_order(0, reason="caller_never_joined"))
    assert await web.db.fetchval("select state from call_sessions") == "expired"
    assert await builders.violations(web.db) == []


async def test_nobody_is_believed_who_reports_more_than_the_clock_allows(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    (grant,) = (await settle(web, call_id, seconds=86_400)).calls
    assert grant.seconds <= 3


async def test_calls_that_are_gone_or_unknown_are_named_in_the_answer(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await web.internal(f"/calls/{call_id}/close", close_order(0))
    unknown = str(new_uuid())
    reports = [{"id": id_, "epoch": 1, "seconds": 1} for id_ in (call_id, unknown, unknown)]

    answer = await web.internal("/calls/settle", {**WORKER, "calls": reports})

    standing = {call["id"]: call["standing"] for call in answer.json()["calls"]}
    assert standing == {call_id: "closed", unknown: "unknown"}


async def test_an_empty_report_is_answered_with_nothing(web: Web) -> None:
    answer = await web.internal("/calls/settle", {**WORKER, "calls": []})
    assert (answer.status_code, answer.json()) == (200, {"calls": []})


async def test_20_settles_at_once_bill_the_largest_once(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await settle(web, call_id, seconds=0)
    await talked(web, call_id, ago_s=30)
    await asyncio.gather(*(settle(web, call_id, seconds=second) for second in range(20)))
    assert await web.db.fetchval("select seconds from call_sessions") == 19
    assert await builders.violations(web.db) == []


async def test_a_call_for_exactly_a_minute_ends_at_balance_zero(web: Web) -> None:
    call_id = await begin(await web.account(balance=1_000, paid=True))
    config = await start(web, call_id)
    assert (config.granted_seconds, config.final_unit) == (60, True)
    await talked(web, call_id, ago_s=90)
    await web.internal(f"/calls/{call_id}/close", close_order(80, reason="credit_exhausted"))
    row = await web.db.fetchrow("select balance, reserved from credits")
    assert row is not None
    assert tuple(row) == (0, 0)


async def test_a_top_up_extends_the_running_call(web: Web) -> None:
    caller = await web.account(balance=1_000, paid=True)
    call_id = await begin(caller)
    await start(web, call_id)
    await talked(web, call_id, ago_s=30)
    (grant,) = (await settle(web, call_id, seconds=20)).calls
    assert (grant.granted_seconds, grant.final_unit) == (60, True)
    await web.db.execute(
        "select credit_post_v1($1, $2, 'topup', 'test', 'top-up')",
        caller.account.user_id,
        from_credits(1_000),
    )
    (grant,) = (await settle(web, call_id, seconds=21)).calls
    assert grant.granted_seconds == 120


# --- transcripts -----------------------------------------------------------------------------


def turn(index: int, text: str = "Hello.", **changes: Any) -> dict[str, Any]:
    return {"index": index, "role": "user", "text": text, "at_s": 1.5, **changes}


async def test_a_transcript_is_kept_once_and_also_after_the_end(web: Web) -> None:
    caller = await web.account()
    call_id = await begin(caller)
    await start(web, call_id)
    path = f"/calls/{call_id}/transcript"

    first = await web.internal(path, {"epoch": 1, "items": [turn(0), turn(0, "Again.")]})
    await web.internal(f"/calls/{call_id}/close", close_order(0))
    late = await web.internal(
        path, {"epoch": 1, "items": [turn(0, "Other."), turn(1, "Bye.", interrupted=True)]}
    )

    assert (first.status_code, late.status_code) == (204, 204)
    seen = (await caller.get(f"/api/calls/{call_id}")).json()["transcript"]
    assert seen == [
        {"role": "user", "text": "Hello.", "at": 1.5, "interrupted": False},
        {"role": "user", "text": "Bye.", "at": 1.5, "interrupted": True},
    ]


async def test_a_gap_is_listed_and_grows_but_never_shrinks(web: Web) -> None:
    caller = await web.account()
    call_id = await begin(caller)
    await start(web, call_id)
    for lasted_s in (1.5, 4.0, 2.0):
        gap = {"index": 0, "at_s": 7, "lasted_s": lasted_s, "cause": "caller_away"}
        report = {"epoch": 1, "items": [], "gaps": [gap]}
        answer = await web.internal(f"/calls/{call_id}/transcript", report)
        assert answer.status_code == 204, answer.text
    seen = (await caller.get(f"/api/calls/{call_id}")).json()["gaps"]
    assert seen == [{"at": 7, "lasted": 4.0, "cause": "caller_away"}]


async def test_a_nul_in_what_was_said_is_dropped_and_the_rest_is_kept(web: Web) -> None:
    caller = await web.account()
    call_id = await begin(caller)
    await start(web, call_id)
    report = {"epoch": 1, "items": [turn(0, "a\x00b")]}
    assert (await web.internal(f"/calls/{call_id}/transcript", report)).status_code == 204
    assert (await caller.get(f"/api/calls/{call_id}")).json()["transcript"][0]["text"] == "ab"


async def test_a_fenced_agent_writes_no_transcript(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    report = {"epoch": 2, "items": [turn(0)]}
    answer = await web.internal(f"/calls/{call_id}/transcript", report)
    assert (answer.status_code, answer.json()["code"]) == (409, "fenced")
    assert await web.db.fetchval("select count(*) from call_transcripts") == 0


# --- workers ---------------------------------------------------------------------------------


async def test_a_worker_reports_its_slots(web: Web) -> None:
    for slots in (3, 0):
        answer = await web.internal("/workers", {"worker_id": "w9", "slots": slots})
        assert (answer.status_code, answer.content) == (204, b"")
        assert await web.db.fetchval("select slots from workers where id = 'w9'") == slots


async def test_a_worker_that_never_reported_may_not_settle(web: Web) -> None:
    report = {"worker_id": "stranger", "calls": []}
    refused = await web.internal("/calls/settle", report)
    assert (refused.status_code, refused.json()["code"]) == (403, "unknown_worker")
    await web.internal("/workers", {"worker_id": "stranger", "slots": 1})
    assert (await web.internal("/calls/settle", report)).status_code == 200


async def test_without_the_credential_nothing_is_even_looked_at(web: Web) -> None:
    call_id = await begin(await web.account())
    before = await builders.fingerprint(web.db)
    paths = ("/workers", "/calls/settle", *(f"/calls/{call_id}/{what}" for what in OF_A_CALL))
    for credential in (None, "", "Bearer ", "Bearer wrong", WORKER_CREDENTIAL):
        headers = {} if credential is None else {"Authorization": credential}
        for path in paths:
            answer = await web.client.post(f"/internal/v1{path}", content=b"{", headers=headers)
            assert (credential, path, answer.status_code) == (credential, path, 401)
    assert await builders.fingerprint(web.db) == before


async def test_a_session_is_no_workers_credential(web: Web) -> None:
    caller = await web.account()
    answer = await caller.post("/internal/v1/workers", json.dumps({**WORKER, "slots": 1}))
    assert answer.status_code == 401


# --- bad input -------------------------------------------------------------------------------

OF_A_CALL = ("start", "close", "transcript")
GOOD: dict[str, dict[str, Any]] = {
    "/workers": {**WORKER, "slots": 1},
    "/calls/settle": {**WORKER, "calls": [{"id": str(new_uuid()), "epoch": 1, "seconds": 1}]},
    "start": {**WORKER, "job_id": "j"},
    "close": {**WORKER, "epoch": 1, "seconds": 1, "reason": "caller_hangup"},
    "transcript": {"epoch": 1, "items": [turn(0)]},
}
BAD_VALUES: dict[str, list[tuple[str, Any]]] = {
    "/workers": [
        ("slots", -1),
        ("slots", 10_001),
        ("slots", 1.5),
        ("slots", None),
        ("worker_id", ""),
        ("worker_id", "w" * 129),
        ("worker_id", "w\x00"),
        ("worker_id", 7),
        ("more", 1),
    ],
    "/calls/settle": [
        ("worker_id", ""),
        ("worker_id", "w\x00"),
        ("calls", None),
        ("calls", {}),
        ("calls", [{"id": "x", "epoch": 1, "seconds": 1}]),
        ("calls", [{"id": str(new_uuid()), "epoch": -1, "seconds": 1}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 32_001, "seconds": 1}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": -1}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": 86_401}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": 10**30}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": 1.0}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": "1"}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": True}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": 1, "price": 0}]),
        ("calls", [{"id": str(new_uuid()), "epoch": 1, "seconds": 1}] * 10_001),
    ],
    "start": [
        ("worker_id", ""),
        ("worker_id", "w\x00"),
        ("job_id", ""),
        ("job_id", "j\x00"),
        ("job_id", None),
        ("epoch", 1),
    ],
    "close": [
        ("seconds", -1),
        ("seconds", 86_401),
        ("seconds", 2**63),
        ("epoch", -1),
        ("reason", "because"),
        ("reason", None),
        ("source", "reaper"),
        ("worker_id", ""),
    ],
    "transcript": [
        ("epoch", -1),
        ("items", None),
        ("items", [turn(-1)]),
        ("items", [turn(0, role="system")]),
        ("items", [turn(0, "x" * 8_001)]),
        ("items", [turn(0, at_s=-1)]),
        ("items", [turn(0, at_s=float("nan"))]),
        ("items", [turn(0, at_s=float("inf"))]),
        ("items", [turn(n) for n in range(201)]),
        ("gaps", [{"index": 0, "at_s": 0, "lasted_s": float("nan"), "cause": "caller_away"}]),
        ("gaps", [{"index": 0, "at_s": 0, "lasted_s": 1, "cause": "boredom"}]),
    ],
}


@pytest.mark.parametrize("what", GOOD)
async def test_bad_reports_are_refused_and_change_nothing(web: Web, what: str) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    path = what if what.startswith("/") else f"/calls/{call_id}/{what}"
    before = await builders.fingerprint(web.db)

    for bad in (b"", b"{", b"[]", b"null", b'{"worker_id": "\xff"}', b"[" * 5_000):
        answer = await web.internal(path, bad)
        assert (bad[:20], answer.status_code) == (bad[:20], 400)
        assert answer.json()["code"] == "invalid_request"
    for name, value in BAD_VALUES[what]:
        answer = await web.internal(path, {**GOOD[what], name: value})
        assert (name, str(value)[:60], answer.status_code) == (name, str(value)[:60], 400)
        assert answer.json()["error"] == "Invalid request body"
        assert answer.json()["details"]

    assert await builders.fingerprint(web.db) == before
    assert await web.db.fetchval("select count(*) from workers") == 1


@pytest.mark.parametrize("what", OF_A_CALL)
async def test_calls_that_are_not_there_are_not_found(web: Web, what: str) -> None:
    for call_id in (new_uuid(), "nonsense"):
        answer = await web.internal(f"/calls/{call_id}/{what}", GOOD[what])
        assert (call_id, answer.status_code) == (call_id, 404)


async def test_a_closed_call_is_not_started_again(web: Web) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await web.internal(f"/calls/{call_id}/close", close_order(0))
    before = await builders.fingerprint(web.db)

    answer = await web.internal(f"/calls/{call_id}/start", GOOD["start"])

    assert (answer.status_code, answer.json()["code"]) == (409, "call_closed")
    assert await builders.fingerprint(web.db) == before
