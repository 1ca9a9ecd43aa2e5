"""Recordings at the control plane: whose yes there is, who may hear them, and when they go."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from control_plane.after_calls.retention import TextRetention
from control_plane.after_calls.work import AfterCallSettingsOfWork, AfterCallWork
from control_plane.memories.embedding import open_embedder
from control_plane.objects.opening import open_objects
from control_plane.speech.retention import Retention
from shared.clock import SystemClock
from tests.integration.recording_desk import (
    SECONDS,
    STATEMENT,
    fall_silent,
    held_call,
    recorded_call,
    recording,
    taken,
)
from tests.web_process import Caller, Media, Web, running_web, web_settings


@pytest_asyncio.fixture
async def web(db_dsn: str, media: Media, tmp_path: Path) -> AsyncIterator[Web]:
    settings = web_settings(db_dsn, media, call_recording="ask", objects_dir=tmp_path / "objects")
    async with running_web(settings) as running:
        yield running


@pytest_asyncio.fixture
async def owner(web: Web) -> Caller:
    return await web.account()


def objects_of(web: Web) -> list[Path]:
    return [path for path in web.settings.objects_dir.rglob("*") if path.is_file()]


async def set_retention(owner: Caller, retention: str) -> None:
    answer = await owner.web.client.patch(
        "/api/call-settings", content=json.dumps({"retention": retention}), headers=owner.headers
    )
    assert answer.status_code == 200, answer.text


async def work_after_calls(web: Web) -> None:
    """The jobs, as if a minute had passed since the last call's end."""
    await web.db.execute("update call_sessions set ended_at = ended_at - interval '1 minute'")
    work = AfterCallWork(
        web.app.state.services.pool,
        note_taker=None,
        embedder=open_embedder(web.settings),
        settings=AfterCallSettingsOfWork(call_retention=web.settings.call_retention),
    )
    while await work.work_once():
        pass


async def sweep(web: Web) -> None:
    pool = web.app.state.services.pool
    await TextRetention(pool, web.settings).round()
    await Retention(pool, open_objects(web.settings, clock=SystemClock()), web.settings).sweep()


async def test_off_asks_nobody_and_keeps_nothing(db_dsn: str, media: Media) -> None:
    async with running_web(web_settings(db_dsn, media)) as web:
        call = await held_call(await web.account())
        assert call.config["recording"] == "off"
        kept = await call.say("yes")
        assert (kept.status_code, kept.json()) == (200, {"may_record": False})
        assert await call.audio() is None


async def test_a_yes_is_kept_word_for_word_and_its_recording_is_its_owners(owner: Caller) -> None:
    call = await held_call(owner)
    assert call.config["recording"] == "ask"
    assert (await call.say(None)).json() == {"may_record": False}
    assert (await call.say("yes")).json() == {"may_record": True}
    await call.close()
    assert (await call.deliver()).status_code == 204
    assert await call.audio() == recording()
    view = (await owner.get(call.path)).json()
    assert view["durationSeconds"] == pytest.approx(SECONDS, abs=0.1)
    assert view["sizeBytes"] == len(recording())
    assert view["consent"]["statement"] == STATEMENT
    assert view["consent"]["askedAt"] < view["consent"]["answeredAt"]
    stranger = await owner.web.account()
    assert (await stranger.get(call.path)).status_code == 404
    assert (await owner.web.client.delete(call.path, headers=stranger.headers)).status_code == 404
    assert await call.audio() == recording()


@pytest.mark.parametrize("answer", [None, "no", "none"])
async def test_without_a_yes_nothing_is_kept(owner: Caller, answer: str | None) -> None:
    call = await held_call(owner)
    assert (await call.say(answer)).json() == {"may_record": False}
    assert (await call.deliver()).status_code == 409
    assert (await call.audio(), objects_of(owner.web)) == (None, [])
    assert (await owner.web.client.delete(call.path, headers=owner.headers)).status_code == 404


async def test_the_first_answer_counts(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("no")
    assert (await call.say("yes")).json() == {"may_record": False}
    (row,) = await call.consents()
    assert (row["answer"], row["withdrawn_at"]) == ("no", None)


async def test_what_was_said_can_not_be_changed_afterwards(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("no")
    for change in (
        "update recording_consents set answer = 'yes'",
        "update recording_consents set statement = 'something else'",
        "delete from recording_consents",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.web.db.execute(change)


async def test_another_agent_and_a_guest_report_in_vain(owner: Caller) -> None:
    call = await held_call(owner)
    assert (await call.say("yes", epoch=2)).status_code == 409
    assert (await call.withdraw(epoch=2)).status_code == 409
    assert (await call.say("yes", epoch=0)).status_code == 409
    path = f"/internal/v1/calls/{call.call_id}/recording-consent"
    for headers in ({}, owner.headers):
        assert (await owner.web.client.post(path, content=b"{}", headers=headers)).status_code in {
            401,
            403,
        }
    assert await call.consents() == []


async def test_a_withdrawal_deletes_what_was_recorded_and_keeps_what_was_said(
    owner: Caller,
) -> None:
    call = await recorded_call(owner)
    assert len(objects_of(owner.web)) == 1
    assert (await call.withdraw()).json() == {"deleted": 1}
    assert (await call.audio(), objects_of(owner.web)) == (None, [])
    (row,) = await call.consents()
    assert row["answer"] == "yes"
    assert row["withdrawn_at"] is not None
    assert (await call.withdraw()).json() == {"deleted": 0}
    assert (await call.deliver()).status_code == 409, "it comes too late"
    assert (await call.say("yes")).json() == {"may_record": False}
    assert await call.consents() == [row]


async def test_its_owner_deletes_it_also_while_it_is_on_its_way(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("yes")
    client = owner.web.client
    deleted = await client.delete(call.path, headers=owner.headers)
    assert (deleted.status_code, deleted.json()) == (200, {"deleted": 0})
    await call.close()
    assert (await call.deliver()).status_code == 409
    other = await recorded_call(owner)
    deleted = await client.delete(other.path, headers=owner.headers)
    assert deleted.json() == {"deleted": 1}
    assert (await other.audio(), objects_of(owner.web)) == (None, [])


async def test_a_recording_that_comes_twice_is_there_once(owner: Caller) -> None:
    call = await recorded_call(owner)
    assert (await call.deliver()).status_code == 204
    assert await call.recordings() == 1
    await owner.web.db.execute("update loose_objects set sweep_after = now() - interval '1 second'")
    await sweep(owner.web)
    assert len(objects_of(owner.web)) == 1
    assert await call.audio() == recording()


async def test_a_storm_of_deliveries_and_a_withdrawal_leaves_nothing(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("yes")
    answers = await asyncio.gather(
        *(call.deliver() for _ in range(6)), call.withdraw(), *(call.deliver() for _ in range(6))
    )
    assert {answer.status_code for answer in answers} <= {200, 204, 409}
    assert await call.recordings() == 0
    assert await call.audio() is None
    await owner.web.db.execute("update loose_objects set sweep_after = now() - interval '1 second'")
    await sweep(owner.web)
    assert objects_of(owner.web) == []


@pytest.mark.parametrize("data", [b"", b"OggS", b"x" * 1_000])
async def test_what_is_no_recording_is_refused(owner: Caller, data: bytes) -> None:
    call = await held_call(owner)
    await call.say("yes")
    assert (await call.deliver(data)).status_code == 400
    assert objects_of(owner.web) == []


async def test_what_is_too_large_is_refused(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("yes")
    refused = await call.deliver(recording() + bytes(20 * 2**20))
    assert refused.status_code == 413
    assert objects_of(owner.web) == []


async def test_a_recording_goes_with_the_words_of_its_call(owner: Caller) -> None:
    web = owner.web
    call = await recorded_call(owner)
    await work_after_calls(web)
    kept_until = (await owner.get(call.path)).json()["keptUntil"]
    assert kept_until is not None
    await sweep(web)
    assert await call.audio() == recording()
    await web.db.execute("update after_calls set texts_until = now() - interval '1 second'")
    await sweep(web)
    assert (await call.audio(), objects_of(web)) == (None, [])


async def test_a_setting_of_none_ends_recordings_of_before_and_asks_nobody_any_more(
    owner: Caller,
) -> None:
    web = owner.web
    before, late = await recorded_call(owner), await held_call(owner)
    await late.say("yes")
    await work_after_calls(web)
    await set_retention(owner, "none")
    await sweep(web)
    assert (await before.audio(), objects_of(web)) == (None, [])
    assert (await late.deliver()).status_code == 409
    await late.close()
    assert (await held_call(owner)).config["recording"] == "off"


async def test_kept_for_good_means_until_it_is_deleted(owner: Caller) -> None:
    await set_retention(owner, "keep")
    call = await recorded_call(owner)
    await work_after_calls(owner.web)
    assert (await owner.get(call.path)).json()["keptUntil"] is None
    await sweep(owner.web)
    assert await call.audio() == recording()


async def test_a_recording_that_is_a_week_late_is_refused(owner: Caller) -> None:
    call = await held_call(owner)
    await call.say("yes")
    await call.close()
    await owner.web.db.execute("update call_sessions set ended_at = ended_at - interval '8 days'")
    assert (await call.deliver()).status_code == 409


async def test_whoever_takes_a_paid_call_over_does_not_ask_again_and_hears_a_withdrawal(
    owner: Caller,
) -> None:
    call = await held_call(owner)
    await call.say("yes")
    report = {"id": str(call.call_id), "epoch": 1, "seconds": 1}
    settled = await owner.web.internal("/calls/settle", {"worker_id": "w1", "calls": [report]})
    assert settled.json()["calls"][0]["seconds"] == 1
    await fall_silent(owner.web)
    config = await taken(owner.web, call.call_id, job_id="job-2")
    assert (config["recording"], config["epoch"]) == ("given", 2)
    assert (await call.deliver(epoch=1)).status_code == 204, "what the first one left"
    assert (await call.withdraw(epoch=2)).json() == {"deleted": 1}
    assert await call.audio() is None
    await fall_silent(owner.web)
    after = await taken(owner.web, call.call_id, job_id="job-3")
    assert after["recording"] == "off"
