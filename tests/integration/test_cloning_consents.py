"""Consent from the phrase to its withdrawal, on real speech and the real local voice server."""

import asyncio
import hashlib
import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from control_plane.boundary import UPLOAD_BYTES_MAX
from control_plane.cloning.chain import chain_problems
from control_plane.cloning.consents import ATTEMPTS_MAX, OPEN_CHALLENGES_MAX
from control_plane.store import consents as store
from tests.integration.consenting import (
    OTHERS_STATEMENT,
    begin,
    consent,
    reading,
    send_recording,
    voice_url,
    wav,
    web,
)
from tests.web_process import Media, Web, running_web, unused_port, web_settings

__all__ = ["voice_url", "web"]


async def record_of(web: Web, caller: Any) -> dict[str, Any]:
    answer = await caller.get("/api/consents")
    assert answer.status_code == 200, answer.text
    record: dict[str, Any] = answer.json()
    return record


async def test_a_phrase_that_was_read_aloud_becomes_a_consent(web: Web) -> None:
    caller = await web.account()
    begun = await begin(caller)
    recording = reading(begun["phrase"])
    answer = await send_recording(caller, begun["id"], recording)
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert given["id"] == begun["id"]
    assert given["whose"] == "own"
    assert given["matchPercent"] >= 80
    assert given["heard"].startswith("my voice may be cloned")
    assert given["recordingSha256"] == hashlib.sha256(recording).hexdigest()
    assert given["statementSha256"] == begun["statementSha256"]
    assert given["address"]
    assert given["givenAt"] < given["expiresAt"]
    record = await record_of(web, caller)
    assert [view["id"] for view in record["data"]] == [begun["id"]]
    assert record["chainIntact"] is True
    assert "deleted 30 days after" in record["retention"]


async def test_a_form_is_as_good_as_a_bare_body(web: Web) -> None:
    caller = await web.account()
    begun = await begin(caller)
    answer = await web.client.post(
        f"/api/consents/{begun['id']}/recording",
        files={"file": ("../../etc/passwd", reading(begun["phrase"]), "audio/wav")},
        headers=caller.headers,
    )
    assert answer.status_code == 201, answer.text


async def test_another_person_s_voice_needs_their_statement(web: Web) -> None:
    caller = await web.account()
    for body in (
        {"whose": "other"},
        {"whose": "other", "statement": "yes"},
        {"whose": "own", "statement": OTHERS_STATEMENT},
        {"whose": "nobody"},
        {},
    ):
        answer = await caller.post("/api/consents", json.dumps(body))
        assert answer.status_code == 400, body
    begun = await begin(caller, whose="other", statement=OTHERS_STATEMENT)
    answer = await send_recording(caller, begun["id"], reading(begun["phrase"]))
    assert answer.json()["speakerStatement"] == OTHERS_STATEMENT
    assert answer.json()["statementSha256"] == begun["statementSha256"]


async def test_other_words_are_no_consent_and_can_be_tried_five_times(web: Web) -> None:
    caller = await web.account()
    old, begun = await begin(caller), await begin(caller)
    for _ in range(ATTEMPTS_MAX):
        answer = await send_recording(caller, begun["id"], reading(old["phrase"]))
        assert (answer.status_code, answer.json()["code"]) == (400, "phrase_not_heard")
    answer = await send_recording(caller, begun["id"], reading(begun["phrase"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_ended")
    assert (await record_of(web, caller))["data"] == []


async def test_guesses_in_parallel_are_counted_as_well(web: Web) -> None:
    caller = await web.account()
    begun = await begin(caller)
    wrong = reading("could you please open the window")
    answers = await asyncio.gather(
        *(send_recording(caller, begun["id"], wrong) for _ in range(3 * ATTEMPTS_MAX))
    )
    codes = sorted(answer.json()["code"] for answer in answers)
    assert codes == ["consent_ended"] * 2 * ATTEMPTS_MAX + ["phrase_not_heard"] * ATTEMPTS_MAX


async def test_a_consent_is_given_once(web: Web) -> None:
    caller = await web.account()
    begun = await begin(caller)
    recording = reading(begun["phrase"])
    answers = await asyncio.gather(
        *(send_recording(caller, begun["id"], recording) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    again = await send_recording(caller, begun["id"], recording)
    assert (again.status_code, again.json()["code"]) == (409, "consent_given")


async def test_a_phrase_goes_stale(web: Web) -> None:
    caller = await web.account()
    begun = await begin(caller)
    await web.db.execute("update consent_challenges set expires_at = clock_timestamp()")
    answer = await send_recording(caller, begun["id"], reading(begun["phrase"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_ended")


async def test_begun_consents_are_limited(web: Web) -> None:
    caller = await web.account()
    body = json.dumps({"whose": "own"})
    answers = await asyncio.gather(
        *(caller.post("/api/consents", body) for _ in range(OPEN_CHALLENGES_MAX + 5))
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == OPEN_CHALLENGES_MAX
    assert statuses.count(409) == 5
    assert (await (await web.account()).post("/api/consents", body)).status_code == 201


UNUSABLE: dict[str, tuple[bytes, str, int, str]] = {
    "nothing": (b"", "audio/wav", 400, "recording_refused"),
    "text": (b"my voice may be cloned " * 50, "audio/wav", 400, "recording_refused"),
    "silence": (wav(bytes(48_000 * 4)), "audio/wav", 400, "recording_refused"),
    "too short": (wav(bytes(2_000)), "audio/wav", 400, "recording_refused"),
    "too long": (wav(bytes(48_000 * 31)), "audio/wav", 400, "recording_refused"),
    "too large": (bytes(4_718_593), "audio/wav", 413, "body_too_large"),
    "beyond the boundary": (bytes(UPLOAD_BYTES_MAX + 1), "audio/wav", 413, "body_too_large"),
    "no form": (b"--x", "multipart/form-data; boundary=x", 400, "recording_refused"),
    "a form without a boundary": (b"--x", "multipart/form-data", 400, "invalid_form"),
}


@pytest.mark.parametrize("case", UNUSABLE.keys())
async def test_an_unusable_recording_is_refused(web: Web, case: str) -> None:
    recording, media_type, status, code = UNUSABLE[case]
    caller = await web.account()
    begun = await begin(caller)
    answer = await send_recording(caller, begun["id"], recording, media_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_recogniser_that_is_away_costs_no_attempt(db_dsn: str, no_media: Media) -> None:
    nowhere = f"http://127.0.0.1:{unused_port()}/v1"
    for url in (nowhere, None):
        async with running_web(web_settings(db_dsn, no_media, recognition_base_url=url)) as web:
            caller = await web.account()
            begun = await begin(caller)
            answer = await send_recording(caller, begun["id"], reading(begun["phrase"]))
            assert (answer.status_code, answer.json()["code"]) == (503, "recognition_unavailable")
            assert await web.db.fetchval("select max(attempts) from consent_challenges") == 0


async def test_nobody_else_sees_uses_or_withdraws_a_consent(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    begun, given = await begin(owner), await consent(owner)
    answer = await send_recording(other, begun["id"], reading(begun["phrase"]))
    assert (answer.status_code, answer.json()["code"]) == (404, "consent_not_found")
    answer = await send_recording(other, str(given), reading(begun["phrase"]))
    assert (answer.status_code, answer.json()["code"]) == (404, "consent_not_found")
    answer = await web.client.delete(f"/api/consents/{given}", headers=other.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "consent_not_found")
    assert (await record_of(web, other))["data"] == []
    assert (await record_of(web, owner))["data"][0]["status"] == "given"
    nobody = await web.client.get("/api/consents")
    assert nobody.status_code == 401


async def test_withdrawing_is_an_entry_of_its_own_and_happens_once(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    for _ in range(2):
        answer = await web.client.delete(f"/api/consents/{given}", headers=caller.headers)
        assert answer.status_code == 200, answer.text
    record = await record_of(web, caller)
    assert record["data"][0]["status"] == "revoked"
    assert record["data"][0]["revokedAt"]
    assert record["chainIntact"] is True
    assert await web.db.fetchval("select count(*) from consent_entries") == 2
    gone = await web.client.delete(f"/api/consents/{uuid4()}", headers=caller.headers)
    assert gone.status_code == 404


async def test_a_changed_row_breaks_the_chain_and_the_database_forbids_it(web: Web) -> None:
    caller = await web.account()
    for _ in range(3):
        await consent(caller)
    for statement in (
        "update consent_entries set body = replace(body, 'own', 'other')",
        "delete from consent_entries where sequence = 2",
        "truncate consent_entries",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await web.db.execute(statement)
    assert (await record_of(web, caller))["chainIntact"] is True
    await web.db.execute("alter table consent_entries disable trigger all")
    await web.db.execute(
        """with forged as (
             select sequence, replace(body, '"whose":"own"', '"whose":"other"') as body
             from consent_entries where sequence = 2)
           update consent_entries e set body = forged.body,
             hash = encode(sha256(convert_to(forged.body, 'UTF8')), 'hex')
           from forged where e.sequence = forged.sequence"""
    )
    assert (await record_of(web, caller))["chainIntact"] is False
    entries = await store.list_entries(web.db, caller.account.user_id, limit=10)
    assert list(chain_problems(entries)) == ["entry 3: it does not follow the entry before it"]


async def test_consents_given_at_once_still_make_one_chain(web: Web) -> None:
    caller = await web.account()
    begun = [await begin(caller) for _ in range(5)]
    answers = await asyncio.gather(
        *(send_recording(caller, one["id"], reading(one["phrase"])) for one in begun)
    )
    assert [answer.status_code for answer in answers] == [201] * 5
    record = await record_of(web, caller)
    assert len(record["data"]) == 5
    assert record["chainIntact"] is True
    answers = await asyncio.gather(
        *(web.client.delete(f"/api/consents/{one['id']}", headers=caller.headers) for one in begun)
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    record = await record_of(web, caller)
    assert {view["status"] for view in record["data"]} == {"revoked"}
    assert record["chainIntact"] is True
