"""The keys of an account: made once, shown once, listed, revoked."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from control_plane.api_keys import hash_key
from shared.clock import SystemClock
from shared.ids import new_uuid
from tests.integration.key_desk import WHO, add_key_routes, make_key
from tests.web_process import API_KEY_SECRET, Caller, Media, Web, running_web, web_settings

EVERYTHING = ["billing:read", "jobs", "speech:generate", "usage:read", "voices:read"]


async def test_a_key_is_shown_once_and_kept_as_a_keyed_hash(web: Web) -> None:
    owner = await web.account(paid=True)

    answer = await owner.post("/api/api-keys", json.dumps({"name": " my program "}))

    assert answer.status_code == 201
    key, data = answer.json()["key"], answer.json()["data"]
    assert len(key) == 40
    assert key.startswith("sk_live_")
    assert key[8:].isalnum()
    assert data == {
        "id": data["id"],
        "name": "my program",
        "key_prefix": key[:12],
        "created_at": data["created_at"],
        "last_used_at": None,
        "expires_at": None,
        "is_active": True,
        "permissions": {"scopes": EVERYTHING},
        "metadata": {},
        "credit_limit": None,
        "credit_used": 0,
    }
    row = dict(await web.db.fetchrow("select * from api_keys") or {})
    assert row["key_hash"] == hash_key(key, API_KEY_SECRET.encode())
    assert key not in str(row)
    listed = await owner.get("/api/api-keys")
    assert listed.json() == {"data": [data]}
    assert listed.headers["cache-control"] == "no-store"


async def test_a_key_has_the_scopes_limit_and_end_that_were_asked_for(web: Web) -> None:
    owner = await web.account(paid=True)
    ends = (SystemClock().now() + timedelta(days=30)).replace(microsecond=0)

    made = await make_key(
        owner,
        scopes=["voices:read", "voice:generate", "speech:generate"],
        credit_limit=250,
        expires_at=ends.isoformat(),
    )

    assert made.row["permissions"] == {"scopes": ["speech:generate", "voices:read"]}
    assert made.row["credit_limit"] == 250
    assert made.row["expires_at"] == ends.isoformat().replace("+00:00", "Z")
    assert await web.db.fetchval("select credit_limit from api_keys") == 250_000_000


async def test_keys_are_listed_newest_first_and_only_to_their_owner(web: Web) -> None:
    owner, stranger = await web.account(paid=True), await web.account(paid=True)
    for name in ("first", "second", "third"):
        await make_key(owner, name=name)

    assert [key["name"] for key in (await owner.get("/api/api-keys")).json()["data"]] == [
        "third",
        "second",
        "first",
    ]
    assert (await stranger.get("/api/api-keys")).json() == {"data": []}


async def test_revoking_is_for_ever_and_may_be_repeated(web: Web) -> None:
    owner = await web.account(paid=True)
    made = await make_key(owner)

    for _ in range(2):
        answer = await web.client.delete(f"/api/api-keys/{made.id}", headers=owner.headers)
        assert (answer.status_code, answer.json()) == (200, {"success": True})

    [listed] = (await owner.get("/api/api-keys")).json()["data"]
    assert listed == {**made.row, "is_active": False}


async def test_a_key_that_is_not_ones_own_is_not_there(web: Web) -> None:
    owner, stranger = await web.account(paid=True), await web.account(paid=True)
    made = await make_key(owner)
    for key_id in (made.id, "00000000-0000-4000-a000-000000000000"):
        answer = await web.client.delete(f"/api/api-keys/{key_id}", headers=stranger.headers)
        assert (answer.status_code, answer.json()["error"]) == (404, "API key not found")
    assert (await web.client.delete("/api/api-keys/x", headers=owner.headers)).status_code == 404
    assert await web.db.fetchval("select is_active from api_keys") is True


async def test_who_has_never_paid_gets_no_key(web: Web) -> None:
    free = await web.account()
    answer = await free.post("/api/api-keys", '{"name": "x"}')
    assert (answer.status_code, answer.json()["error"]) == (403, "API keys require a paid account")


async def test_a_frozen_account_gets_no_key(web: Web) -> None:
    owner = await web.account(paid=True)
    await web.db.execute("update profiles set frozen_at = now()")
    answer = await owner.post("/api/api-keys", '{"name": "x"}')
    assert (answer.status_code, answer.json()["code"]) == (403, "account_frozen")
    assert await web.db.fetchval("select count(*) from api_keys") == 0


async def test_keys_need_a_session(web: Web) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{new_uuid()}")):
        answer = await web.client.request(method, f"/api/api-keys{path}", content=b"{}")
        assert (method, answer.status_code) == (method, 401)


async def test_20_requests_at_once_make_10_keys(web: Web) -> None:
    owner = await web.account(paid=True)

    answers = await asyncio.gather(
        *(owner.post("/api/api-keys", '{"name": "x"}') for _ in range(20))
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [400] * 10
    refused = next(answer for answer in answers if answer.status_code == 400)
    assert refused.json()["error"] == "Maximum of 10 active API keys allowed"
    assert await web.db.fetchval("select count(*) from api_keys") == 10


async def test_a_revoked_or_expired_key_makes_room_for_another(web: Web) -> None:
    owner = await web.account(paid=True)
    made = [await make_key(owner) for _ in range(10)]
    await web.client.delete(f"/api/api-keys/{made[0].id}", headers=owner.headers)
    await make_key(owner)
    await web.db.execute("update api_keys set expires_at = now() where id = $1", made[1].id)
    await make_key(owner)
    assert (await owner.post("/api/api-keys", '{"name": "x"}')).status_code == 400


def at(value: Any) -> str:
    return json.dumps({"name": "x", "expires_at": value})


BAD_REQUESTS: dict[str, str | bytes] = {
    "nothing": b"",
    "half": b"{",
    "a list": b"[]",
    "no name": b"{}",
    "an empty name": b'{"name": ""}',
    "only space": b'{"name": "  "}',
    "a long name": json.dumps({"name": "x" * 101}),
    "a number": b'{"name": 7}',
    "a NUL": b'{"name": "a\\u0000"}',
    "half a surrogate": b'{"name": "\\ud800"}',
    "an end without a zone": at("2099-01-01T00:00:00"),
    "an end in the past": at("2020-01-01T00:00:00Z"),
    "an end in seconds": at(4_102_444_800),
    "an end far away": at("9999-12-31T23:59:59-12:00"),
    "an end before all": at("0001-01-01T00:00:00+12:00"),
    "an end that is none": at("tomorrow"),
    "no scope": b'{"name": "x", "scopes": []}',
    "an unknown scope": b'{"name": "x", "scopes": ["everything"]}',
    "a scope that is no word": b'{"name": "x", "scopes": [{}]}',
    "scopes that are no list": b'{"name": "x", "scopes": "jobs"}',
    "no scopes at all": b'{"name": "x", "scopes": null}',
    "a limit of nothing": b'{"name": "x", "credit_limit": 0}',
    "a limit below nothing": b'{"name": "x", "credit_limit": -1}',
    "a limit in words": b'{"name": "x", "credit_limit": "5"}',
    "a limit in parts": b'{"name": "x", "credit_limit": 1.5}',
    "a limit that is a truth": b'{"name": "x", "credit_limit": true}',
    "a limit beyond numbers": b'{"name": "x", "credit_limit": 1000000001}',
}


async def test_a_wrong_request_makes_no_key(web: Web) -> None:
    owner = await web.account(paid=True)
    answers = {
        name: (await owner.post("/api/api-keys", body)).status_code
        for name, body in BAD_REQUESTS.items()
    }
    assert answers == dict.fromkeys(BAD_REQUESTS, 400)
    assert await web.db.fetchval("select count(*) from api_keys") == 0


@pytest.mark.parametrize("name", ["x" * 100, "a name, with ' and \" 🙂"])
async def test_names_are_kept_as_they_are(web: Web, name: str) -> None:
    owner = await web.account(paid=True)
    assert (await make_key(owner, name=name)).row["name"] == name


async def test_without_a_secret_keys_can_only_be_seen_and_revoked(
    db_dsn: str, media: Media
) -> None:
    async with running_web(web_settings(db_dsn, media)) as web:
        account = (await web.account(paid=True)).account
        made = await make_key(Caller(web, account))
    async with running_web(web_settings(db_dsn, media, api_key_hmac_secret=None)) as web:
        owner = Caller(web, account)
        add_key_routes(web)
        words = "API keys are not offered here: API_KEY_HMAC_SECRET is not set"

        refused = await owner.post("/api/api-keys", '{"name": "x"}')
        assert (refused.status_code, refused.json()["error"]) == (503, words)
        shown = await web.client.get(WHO, headers=made.headers)
        assert (shown.status_code, shown.json()["error"]["message"]) == (503, words)

        assert len((await owner.get("/api/api-keys")).json()["data"]) == 1
        revoked = await web.client.delete(f"/api/api-keys/{made.id}", headers=owner.headers)
        assert revoked.status_code == 200
