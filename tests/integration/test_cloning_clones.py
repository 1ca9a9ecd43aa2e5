"""POST /api/clone-voice on real parts: the voice, what it costs, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from control_plane.cloning import consents
from control_plane.cloning.clones import CLONES_PER_CONSENT_MAX
from control_plane.cloning.withdrawal import retire_expired
from control_plane.store import consents as store
from tests import builders
from tests.integration.consenting import (
    clone,
    cloning_settings,
    consent,
    reference,
    voice_url,
    web,
)
from tests.integration.slow_voice import slow_voice
from tests.web_process import Caller, Media, Web, running_web, web_settings

__all__ = ["voice_url", "web"]


@pytest_asyncio.fixture
async def demo(db_dsn: str, no_media: Media, voice_url: str) -> AsyncIterator[Web]:
    """The web process of the local stack."""
    settings = web_settings(db_dsn, no_media, **cloning_settings(voice_url, local_dev=True))
    async with running_web(settings) as running:
        yield running


async def withdraw(caller: Caller, consent_id: UUID) -> dict[str, Any]:
    answer = await caller.web.client.delete(f"/api/consents/{consent_id}", headers=caller.headers)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def audio_behind(web: Web, url: str) -> tuple[int, bytes]:
    answer = await web.client.get(url)
    return answer.status_code, answer.content


def objects_in(web: Web, prefix: str) -> list[Path]:
    folder = web.settings.objects_dir / prefix
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def reference_files(web: Web, keys: list[str]) -> list[bool]:
    return [(web.settings.objects_dir / key).exists() for key in keys]


async def reference_keys(web: Web) -> list[str]:
    rows = await web.db.fetch("select reference_key from voices where reference_key is not null")
    return [row["reference_key"] for row in rows]


async def test_a_clone_speaks_is_paid_for_and_is_a_voice_of_its_owner(web: Web) -> None:
    caller = await web.account(balance=1_000)
    given = await consent(caller)
    answer = await clone(caller, consentId=given, text="Hello there.")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["creditsUsed"] == 12  # local-clone: a credit a character
    assert said["creditsRemaining"] == 988
    assert said["demo"] is True
    assert "no clone" in said["notice"]
    status, audio = await audio_behind(web, said["url"])
    assert (status, audio[:4]) == (200, b"RIFF")
    voice = await web.db.fetchrow("select * from voices where user_id = $1", caller.account.user_id)
    assert voice
    assert (voice["consent_id"], voice["model"], voice["feature"]) == (given, "local-clone", "tts")
    assert (voice["is_public"], voice["language"]) == (False, "en")
    assert reference_files(web, [voice["reference_key"]]) == [True]
    assert "me.wav" not in voice["reference_key"]
    assert await builders.violations(web.db) == []


async def test_the_same_recording_is_the_same_voice_and_a_repeated_text_is_free(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    first = await clone(caller, consentId=given)
    again = await clone(caller, consentId=given, file_name="another-name.wav")
    other_text = await clone(caller, consentId=given, text="Something else.")
    assert (first.status_code, again.status_code, other_text.status_code) == (200, 200, 200)
    assert again.json()["creditsUsed"] == 0
    assert again.json()["creditsRemaining"] == first.json()["creditsRemaining"]
    assert await web.db.fetchval("select count(*) from voices where consent_id = $1", given) == 1
    another = await clone(caller, consentId=given, recording=reference(6, "Ara"))
    assert another.status_code == 200
    assert await web.db.fetchval("select count(*) from voices where consent_id = $1", given) == 2


async def test_the_same_recording_many_times_at_once_is_one_voice_and_one_debit(web: Web) -> None:
    caller = await web.account(balance=1_000)
    given = await consent(caller)
    answers = await asyncio.gather(*(clone(caller, consentId=given) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["creditsUsed"] for answer in answers) == [0] * 11 + [20]
    keys = await reference_keys(web)
    assert len(keys) == 1
    assert await web.db.fetchval("select count(*) from loose_objects") == 0
    assert await builders.violations(web.db) == []


async def test_the_same_idempotency_key_is_one_answer_whatever_the_form_s_boundary_is(
    web: Web,
) -> None:
    caller = await web.account(balance=1_000)
    given = await consent(caller)
    key = {"Idempotency-Key": "k-1"}
    first = await clone(caller, consentId=given, headers=key)
    again = await clone(caller, consentId=given, headers=key, file_name="another-name.wav")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert first.json()["creditsUsed"] == 20
    assert again.headers["idempotent-replayed"] == "true"
    for change in ({"text": "Something else."}, {"recording": reference(6)}, {"locale": "de"}):
        other = await clone(caller, consentId=given, headers=key, **change)
        assert other.status_code == 409, change
        assert other.json()["code"].startswith("errors.")
    assert await web.db.fetchval("select count(*) from voices where consent_id = $1", given) == 1
    debits = "select count(*) from credit_transactions where kind = 'generation'"
    assert await web.db.fetchval(debits) == 1
    assert await builders.violations(web.db) == []


async def test_a_wrong_idempotency_key_is_refused_in_upstream_s_form(web: Web) -> None:
    caller = await web.account()
    answer = await clone(caller, headers={"Idempotency-Key": "k" * 256})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


async def test_no_consent_no_clone_and_the_answer_says_what_is_missing(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    given = await consent(owner)
    for wrong, missing in (
        (None, "no_consent"),
        ("", "no_consent"),
        ("not an id", "unknown_consent"),
        (uuid4(), "unknown_consent"),
        (given, "unknown_consent"),  # somebody else's
    ):
        answer = await clone(other, consentId=wrong)
        assert answer.status_code == 403, wrong
        body = answer.json()
        assert body["code"] == "errors.consentRequired"
        assert body["details"]["missing"] == missing
        assert body["details"]["begin"] == "POST /api/consents"
        assert body.keys() == {"code", "details", "error", "serverMessage", "status"}
        assert body["error"] == f"{body['serverMessage']} (403)"
    assert await web.db.fetchval("select count(*) from clone_references") == 0
    assert await web.db.fetchval("select count(*) from generation_charges") == 0


async def test_an_expired_consent_is_none(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    await web.db.execute("alter table consent_entries disable trigger all")
    await web.db.execute("update consent_entries set expires_at = clock_timestamp()")
    answer = await clone(caller, consentId=given)
    assert (answer.status_code, answer.json()["details"]["missing"]) == (403, "expired_consent")


async def test_withdrawing_disables_the_voice_and_deletes_what_is_kept_of_it(web: Web) -> None:
    caller = await web.account()
    given, kept = await consent(caller), await consent(caller)
    mine = await clone(caller, consentId=given)
    other = await clone(caller, consentId=kept)
    keys = await reference_keys(web)
    assert await withdraw(caller, given) == {
        "id": str(given),
        "status": "revoked",
        "voicesDisabled": 1,
        "objectsDeleted": 2,
    }
    assert (await audio_behind(web, mine.json()["url"]))[0] == 404
    assert (await audio_behind(web, other.json()["url"]))[0] == 200
    assert sorted(reference_files(web, keys)) == [False, True]
    assert await web.db.fetchval("select count(*) from loose_objects") == 0
    row = await web.db.fetchrow(
        "select disabled_at, reference_key from voices where consent_id = $1", given
    )
    assert row
    assert row["disabled_at"] is not None
    assert row["reference_key"] is None
    for answer in (await clone(caller, consentId=given), await clone(caller, consentId=kept)):
        missing = answer.json().get("details", {}) or {}
        assert (answer.status_code, missing.get("missing")) in {
            (403, "revoked_consent"),
            (200, None),
        }
    voice_id = await web.db.fetchval("select id from voices where consent_id = $1", given)
    body = json.dumps({"text": "Hello from my clone.", "voiceId": str(voice_id)})
    assert (await caller.post("/api/generate-voice", body)).status_code == 404
    assert await builders.violations(web.db) == []


async def test_work_under_way_is_not_delivered_after_a_withdrawal(
    db_dsn: str, no_media: Media, voice_url: str
) -> None:
    """The consent goes while the provider speaks: nothing is debited, nothing is kept."""
    settings = web_settings(db_dsn, no_media, **cloning_settings(voice_url))
    async with running_web(settings) as web, slow_voice(voice_url) as slow:
        caller = await web.account(balance=1_000)
        given = await consent(caller)
        first = await clone(caller, consentId=given, text="One.")
        assert first.status_code == 200
        async with running_web(
            web_settings(db_dsn, no_media, **cloning_settings(slow.url))
        ) as slowly:
            waiting = asyncio.create_task(
                clone(Caller(slowly, caller.account), consentId=given, text="Not to be heard.")
            )
            await asyncio.wait_for(slow.asked.wait(), 20)
            await withdraw(caller, given)
            slow.may_answer.set()
            answer = await waiting
        assert answer.status_code == 403, answer.text
        assert answer.json()["code"] == "errors.consentRequired"
        assert await web.db.fetchval("select count(*) from audio_objects") == 0
        assert await web.db.fetchval("select sum(reserved) from credits") == 0
        settled = "select count(*) from generation_charges where state = 'settled'"
        assert await web.db.fetchval(settled) == 1
        assert await builders.violations(web.db) == []


async def test_a_withdrawal_between_look_and_writing_makes_no_voice(web: Web) -> None:
    caller = await web.account()
    given, user_id = await consent(caller), caller.account.user_id
    async with web.db.transaction():
        await store.lock_account(web.db, user_id)
        cloning = asyncio.create_task(clone(caller, consentId=given))
        await somebody_waits_for_a_lock(web)
        await consents.append_withdrawal(web.db, user_id, given, address="192.0.2.1")
    answer = await cloning
    assert (answer.status_code, answer.json()["details"]["missing"]) == (403, "revoked_consent")
    assert await web.db.fetchval("select count(*) from clone_references") == 0
    orphan = await web.db.fetchval("select object_key from loose_objects")
    assert orphan.startswith("references/")  # the sweep takes it
    assert await builders.violations(web.db) == []


async def somebody_waits_for_a_lock(web: Web) -> None:
    waiting = "select count(*) from pg_locks where not granted"
    async with asyncio.timeout(20):
        while not await web.db.fetchval(waiting):
            await asyncio.sleep(0.02)


async def test_a_recording_is_deleted_after_its_time_and_can_be_sent_again(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    spoken = await clone(caller, consentId=given)
    keys = await reference_keys(web)
    services = web.app.state.services
    assert await retire_expired(services.pool, services.objects) == 0
    await web.db.execute("update clone_references set expires_at = clock_timestamp()")
    assert await retire_expired(services.pool, services.objects) == 1
    assert reference_files(web, keys) == [False]
    assert await web.db.fetchval("select count(*) from loose_objects") == 0
    assert (await audio_behind(web, spoken.json()["url"]))[0] == 200  # the history keeps it
    assert await retire_expired(services.pool, services.objects) == 0
    again = await clone(caller, consentId=given)
    assert again.status_code == 200
    assert await web.db.fetchval("select count(*) from voices where consent_id = $1", given) == 2
    assert await builders.violations(web.db) == []


async def test_the_voices_of_an_expired_consent_end_too(web: Web) -> None:
    caller = await web.account()
    await clone(caller, consentId=await consent(caller))
    await web.db.execute("alter table consent_entries disable trigger all")
    await web.db.execute("update consent_entries set expires_at = clock_timestamp()")
    services = web.app.state.services
    assert await retire_expired(services.pool, services.objects) == 1
    assert await reference_keys(web) == []


async def test_an_owner_deletes_a_clone_and_nobody_else_can(web: Web) -> None:
    owner, other = await web.account(), await web.account()
    spoken = await clone(owner, consentId=await consent(owner))
    voice_id = await web.db.fetchval(
        "select id from voices where user_id = $1", owner.account.user_id
    )
    public = await web.db.fetchval("select id from voices where user_id is null limit 1")

    async def delete(caller: Caller, voice: UUID) -> int:
        path = f"/api/voices/{voice}"
        return (await web.client.delete(path, headers=caller.headers)).status_code

    assert await delete(other, voice_id) == 404
    assert await delete(owner, public) == 404
    assert (await audio_behind(web, spoken.json()["url"]))[0] == 200
    assert await delete(owner, voice_id) == 204
    assert await delete(owner, voice_id) == 404
    assert (await audio_behind(web, spoken.json()["url"]))[0] == 404
    assert await builders.violations(web.db) == []


async def test_one_consent_makes_a_limited_number_of_voices(web: Web) -> None:
    caller = await web.account()
    given = await consent(caller)
    assert (await clone(caller, consentId=given)).status_code == 200
    await web.db.execute(
        """insert into voices(id, name, model) select gen_random_uuid(), 'x' || n, 'local-clone'
             from generate_series(2, $1) n""",
        CLONES_PER_CONSENT_MAX,
    )
    await web.db.execute(
        """insert into clone_references(voice_id, user_id, consent_id, recording_sha256, model,
             language, expires_at)
           select v.id, $1, $2, encode(sha256(v.id::text::bytea), 'hex'), 'local-clone', 'en',
             clock_timestamp() + interval '1 day'
           from voices v where v.name like 'x%' and v.model = 'local-clone'""",
        caller.account.user_id,
        given,
    )
    answer = await clone(caller, consentId=given, recording=reference(6))
    assert (answer.status_code, answer.json()["code"]) == (409, "errors.tooManyClones")
    assert (await clone(caller, consentId=given)).status_code == 200  # the voice that is there


async def test_the_demo_mode_needs_no_consent_and_says_so(demo: Web) -> None:
    caller = await demo.account()
    answer = await clone(caller)
    assert answer.status_code == 200, answer.text
    assert answer.json()["demo"] is True
    assert answer.json()["notice"]
    wrong = await clone(caller, consentId=uuid4())
    assert wrong.status_code == 403
    row = await demo.db.fetchrow("select consent_id, user_id from clone_references")
    assert row
    assert (row["consent_id"], row["user_id"]) == (None, caller.account.user_id)
    other = await demo.account()
    assert (await clone(other)).json()["creditsUsed"] > 0  # a voice of its own
    assert await builders.violations(demo.db) == []


async def test_too_little_credit_is_said_before_the_recording_is_decoded(web: Web) -> None:
    caller = await web.account(balance=5)
    given = await consent(caller)
    answer = await clone(caller, consentId=given, recording=b"RIFF no audio at all")
    assert answer.status_code == 402
    body = answer.json()
    assert body["code"] == "errors.insufficientCredits"
    assert body["details"] == {"CREDITS": 20, "currentCredits": 5}
