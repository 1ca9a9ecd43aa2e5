"""Reports and their queue, help for everybody, events of calls, and the texts of the operator."""

import json
from typing import Any

import pytest

from control_plane.safety.reports import REPORTS_A_DAY_MAX
from shared.errors import Invalid
from tests.integration.operator_desk import WHY, Staff
from tests.integration.test_admin_command import admin, shell
from tests.web_process import Caller, Web

RAMONA = "00000000-0000-4000-a000-000000000201"
BY = ["--by", "olga", "--reason", "ticket 4711"]


async def report(caller: Caller, **body: Any) -> Any:
    return await caller.post("/api/reports", json.dumps({"category": "unsafe", **body}))


async def test_a_report_goes_into_the_queue_and_out_of_it(web: Web) -> None:
    caller, support = await web.account(), Staff(web, "support")
    call_id = (await caller.ask_for_call(selectedPresetId=RAMONA)).json()["callId"]
    made = await report(caller, callId=call_id, words=" She threatened me. ")
    assert made.status_code == 201, made.text

    (listed,) = (await support.get("/api/operator/reports")).json()["data"]
    assert listed["words"] == "She threatened me."
    assert (listed["callId"], listed["characterId"]) == (call_id, RAMONA)

    wish = {"reportIds": [listed["id"]], "reason": WHY}
    for count in (1, 0):
        done = await support.post("/api/operator/reports/resolve", wish)
        assert (done.status_code, done.json()) == (200, {"count": count})
    assert (await support.get("/api/operator/reports")).json() == {"data": []}
    (closed,) = (await support.get("/api/operator/reports?state=resolved")).json()["data"]
    assert (closed["resolvedBy"], closed["resolution"]) == ("staff-1", WHY)

    again = {"reportIds": [listed["id"]], "reason": "It happened again"}
    for count in (1, 0):
        done = await support.post("/api/operator/reports/reopen", again)
        assert (done.status_code, done.json()) == (200, {"count": count})
    assert (await support.get("/api/operator/reports")).json()["data"] == [listed]
    rows = await web.db.fetch("select * from audit_log order by sequence")
    said = [(row["action"], row["actor"], row["user_id"], row["reason"]) for row in rows]
    who = caller.account.user_id
    assert said == [
        ("resolve_report", "staff-1", who, WHY),
        ("reopen_report", "staff-1", who, "It happened again"),
    ]
    for row in rows:
        assert json.loads(row["body"])["details"] == {"report_id": listed["id"]}
        assert "threatened" not in row["body"]


async def test_the_queue_at_a_shell_shows_words_and_no_escapes(web: Web) -> None:
    caller = await web.account()
    words = "\x1b[2J\u202eowned\nby me"
    report_id = (await report(caller, words=words)).json()["id"]
    listed = await shell(web, "reports", "list")
    assert report_id in listed
    assert r"\x1b[2J\u202eowned\nby me" in listed
    resolve = ("reports", "resolve", report_id)
    assert await shell(web, *resolve, *BY) == "1 done, resolve"
    assert await shell(web, "reports", "list") == "no reports"
    assert "shell:olga: ticket 4711" in await shell(web, "reports", "list", "--resolved")
    assert await shell(web, "reports", "reopen", report_id, *BY) == "1 done, reopen"
    assert await shell(web, "reports", "list") == listed
    with pytest.raises(Invalid):
        await shell(web, *resolve, "--by", "olga", "--reason", "x")
    actions = await web.db.fetch("select action from audit_log order by sequence")
    assert [row["action"] for row in actions] == ["resolve_report", "reopen_report"]


async def test_a_report_is_about_ones_own_call(web: Web) -> None:
    owner, stranger = await web.account(), await web.account()
    call_id = (await owner.ask_for_call()).json()["callId"]
    assert (await report(stranger, callId=call_id)).status_code == 404
    assert (await report(stranger, category="nonsense")).status_code == 400
    assert await web.db.fetchval("select count(*) from reports") == 0


async def test_nobody_floods_the_queue(web: Web) -> None:
    caller = await web.account()
    await web.db.execute(
        "insert into reports(id, user_id, category)"
        " select gen_random_uuid(), $1, 'other' from generate_series(1, $2::int)",
        caller.account.user_id,
        REPORTS_A_DAY_MAX,
    )
    refused = await report(caller)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_reports")


async def test_help_is_there_for_everybody(web: Web) -> None:
    answer = await web.client.get("/api/help?language=de")
    assert answer.status_code == 200
    assert "112" in answer.json()["message"]
    assert "KI" in answer.json()["disclosure"]
    assert answer.json()["lines"]["US"] == "988"
    assert (await web.client.get("/api/help?language=xx")).status_code == 400


async def test_events_of_a_call_are_counted_once(web: Web) -> None:
    caller = await web.account()
    call_id = (await caller.ask_for_call(language="de")).json()["callId"]
    started = await web.internal(f"/calls/{call_id}/start", {"worker_id": "w1", "job_id": "j1"})
    before = await counted(web, "crisis")
    told = {
        "epoch": started.json()["epoch"],
        "items": [],
        "events": [
            {"index": 0, "kind": "disclosed", "at_s": 1.5},
            {"index": 1, "kind": "crisis", "at_s": 20.25},
        ],
    }
    for _ in range(2):
        assert (await web.internal(f"/calls/{call_id}/transcript", told)).status_code == 204
    assert await counted(web, "crisis") == before + 1
    rows = await web.db.fetch("select kind from call_events order by index")
    assert [row["kind"] for row in rows] == ["disclosed", "crisis"]


async def counted(web: Web, kind: str) -> float:
    text = (await web.client.get("/metrics")).text
    start = f'call_events_total{{kind="{kind}",language="de"}} '
    return sum(float(line[len(start) :]) for line in text.splitlines() if line.startswith(start))


async def texts_command(dsn: str, *words: str, stdin: str = "") -> tuple[int, str]:
    return await admin(dsn, *words, module="control_plane.characters", stdin=stdin)


async def test_an_operator_rewords_a_text_and_takes_it_back(web: Web, db_dsn: str) -> None:
    english = ("disclosure", "--variant", "en")
    status, said = await texts_command(
        db_dsn, "publish", "disclosure", "-", "--variant", "en", *BY, stdin="I'm an AI, dear.\n"
    )
    assert (status, said) == (0, "disclosure en: version 1\n")
    caller = await web.account()
    assert (await caller.ask_for_call()).json()["disclosure"] == "I'm an AI, dear."

    for words in ("", " \n\t ", "\u3164\u200b", "An AI\u200b.", "Hello, dear."):
        status, said = await texts_command(
            db_dsn, "publish", "disclosure", "-", "--variant", "en", *BY, stdin=words
        )
        assert (status, said.startswith("refused: ")) == (1, True), said
    assert (await texts_command(db_dsn, "rollback", "disclosure", "0", "--variant", "en", *BY))[
        0
    ] == 0
    status, said = await texts_command(db_dsn, "show", *english)
    assert (status, said) == (0, "You are talking to an AI, not to a person.\n")
    status, said = await texts_command(db_dsn, "history", *english)
    assert [line.split()[0] for line in said.splitlines()[::2]] == ["2", "1", "0"]
    assert "as 0 again: ticket 4711" in said
    assert await web.db.fetchval("select count(*) from audit_log") == 2


async def test_the_list_and_the_flag(web: Web, db_dsn: str) -> None:
    status, said = await texts_command(db_dsn, "list")
    assert (status, len(said.splitlines())) == (0, 52)
    assert (await texts_command(db_dsn, "publish", "nonsense", "-", *BY, stdin="x"))[0] == 1
    assert (await texts_command(db_dsn, "flag", RAMONA, "adult", *BY))[0] == 0
    caller = await web.account()
    assert (await caller.ask_for_call(selectedPresetId=RAMONA)).status_code == 403
