"""POST /webhooks/livekit: only what the media server signed lately gets into the inbox, once."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

from livekit import api

from shared.clock import SystemClock
from tests import builders
from tests.web_process import Media, Web


def event(**changes: Any) -> bytes:
    usual = {
        "event": "room_finished",
        "id": "EV_1",
        "createdAt": str(int(SystemClock().now().timestamp())),
        "room": {"name": "ro-x", "sid": "RM_1"},
    }
    return json.dumps({**usual, **changes}).encode()


def signature(
    media: Media, body: bytes, *, secret: str | None = None, ttl_s: int = 300, digest: str = ""
) -> str:
    digest = digest or base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken(media.key, secret or media.secret).with_sha256(digest)
    return token.with_ttl(timedelta(seconds=ttl_s)).to_jwt()


async def deliver(web: Web, body: bytes, token: str) -> int:
    answer = await web.client.post(
        "/webhooks/livekit", content=body, headers={"Authorization": token} if token else {}
    )
    return answer.status_code


async def test_a_signed_event_is_stored_once(web: Web, media: Media) -> None:
    body = event()
    for _ in range(3):
        assert await deliver(web, body, signature(media, body)) == 200
    rows = await web.db.fetch("select source, event_id, kind, handled_at from webhook_inbox")
    assert [tuple(row) for row in rows] == [("livekit", "EV_1", "room_finished", None)]
    payload = await web.db.fetchval("select payload->'room'->>'name' from webhook_inbox")
    assert payload == "ro-x"


async def test_what_is_forged_is_refused(web: Web, media: Media) -> None:
    body = event()
    other = event(id="EV_2")
    forged = {
        "unsigned": "",
        "nonsense": "nonsense",
        "another secret": signature(media, body, secret="x" * 40),
        "another body": signature(media, other),
        "expired": signature(media, body, ttl_s=-120),
        "no digest": api.AccessToken(media.key, media.secret).to_jwt(),
        "strange digest": signature(media, body, digest="!"),
        "a caller's token": _caller_token(media),
    }
    before = await builders.fingerprint(web.db)
    statuses = {name: await deliver(web, body, token) for name, token in forged.items()}
    assert statuses == dict.fromkeys(forged, 401)
    assert await builders.fingerprint(web.db) == before


async def test_a_replay_of_an_old_event_is_refused(web: Web, media: Media) -> None:
    for age_s in (-700, 700, 10**9):
        created = int(SystemClock().now().timestamp()) - age_s
        body = event(createdAt=str(created))
        assert (age_s, await deliver(web, body, signature(media, body))) == (age_s, 400)
    assert await web.db.fetchval("select count(*) from webhook_inbox") == 0


async def test_an_event_without_an_id_or_a_kind_is_refused(web: Web, media: Media) -> None:
    for changes in ({"id": ""}, {"event": ""}, {"id": "x" * 129}, {"id": "a\x00"}):
        body = event(**changes)
        assert (changes, await deliver(web, body, signature(media, body))) == (changes, 400)
    assert await web.db.fetchval("select count(*) from webhook_inbox") == 0


async def test_a_signed_body_that_is_no_event_is_refused(web: Web, media: Media) -> None:
    for body in (b"", b"{", b"[]", b"7", b"\xff", b"[" * 5_000, b"null"):
        assert await deliver(web, body, signature(media, body)) in {400, 401}, body[:9]
    assert await web.db.fetchval("select count(*) from webhook_inbox") == 0


async def test_what_jsonb_cannot_hold_does_not_stop_an_event(web: Web, media: Media) -> None:
    """A caller on the phone chooses his display name; it must not make the event undeliverable."""
    body = event(participant={"name": "a\x00b", "identity": "p"}, extra={"x\x00": [float("nan")]})
    assert await deliver(web, body, signature(media, body)) == 200
    assert (
        await web.db.fetchval("select payload->'participant'->>'name' from webhook_inbox") == "ab"
    )


async def test_a_huge_event_is_refused_unread(web: Web, media: Media) -> None:
    body = event(room={"name": "x" * 300_000})
    assert await deliver(web, body, signature(media, body)) == 413


def _caller_token(media: Media) -> str:
    grants = api.VideoGrants(room_join=True, room="ro-x")
    return (
        api.AccessToken(media.key, media.secret).with_identity("human").with_grants(grants).to_jwt()
    )
