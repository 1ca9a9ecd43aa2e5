"""Tokens as Supabase and Auth0 really make them, and what attackers make of them."""

import asyncio
import base64
import gzip
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import jwt
import pytest
import pytest_asyncio

from shared.clock import SystemClock
from tests.fakes.clock import MovableClock
from tests.fakes.issuer import Issuer, SigningKey, running_issuer, unsigned
from tests.web_process import Media, Web, running_web, unused_port, web_settings

SUPABASE = "https://project.supabase.test/auth/v1"
SUPABASE_SECRET = "the legacy secret of a Supabase project, shared"
AUTH0 = "https://tenant.auth0.test/"
API = "https://api.example.test"
NOW_S = int(SystemClock().now().timestamp())


def supabase_claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": SUPABASE,
        "aud": "authenticated",
        "sub": "0a8a5d6e-1111-4222-8333-444455556666",
        "exp": NOW_S + 3_600,
        "iat": NOW_S,
        "email": "somebody@example.test",
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"email_verified": True},
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": NOW_S}],
        "session_id": "5b0b9d2e-1111-4222-8333-444455556666",
        "is_anonymous": False,
        **changes,
    }


def auth0_claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": AUTH0,
        "aud": [API, "https://tenant.auth0.test/userinfo"],
        "sub": "google-oauth2|104217364528390172635",
        "exp": NOW_S + 86_400,
        "iat": NOW_S,
        "azp": "fTr0VZ3NxQyYwP8u",
        "scope": "openid profile email",
        "permissions": [],
        **changes,
    }


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as server:
        yield server


class Door:
    """Starts the web process for one issuer and shows it tokens."""

    def __init__(self, db_dsn: str, media: Media, clock: MovableClock) -> None:
        self._start = (db_dsn, media)
        self._clock = clock

    def supabase(self, **changes: Any) -> AbstractAsyncContextManager[Web]:
        wanted = {"session_jwt_issuer": SUPABASE, "session_jwt_audience": "authenticated"}
        return self._running({**wanted, "session_jwt_secret": None, **changes})

    def auth0(self, **changes: Any) -> AbstractAsyncContextManager[Web]:
        wanted = {"session_jwt_issuer": AUTH0, "session_jwt_audience": API}
        return self._running({**wanted, "session_jwt_secret": None, **changes})

    def _running(self, changes: dict[str, Any]) -> AbstractAsyncContextManager[Web]:
        return running_web(web_settings(*self._start, **changes), clock=self._clock)


@pytest.fixture
def door(db_dsn: str, no_media: Media, clock: MovableClock) -> Door:
    return Door(db_dsn, no_media, clock)


async def ask(web: Web, token: str) -> int:
    answer = await web.client.get("/api/credits", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


# --- the two issuers most clients use --------------------------------------------------------


async def test_supabase_with_its_shared_secret(door: Door) -> None:
    async with door.supabase(session_jwt_secret=SUPABASE_SECRET) as web:
        assert await ask(web, jwt.encode(supabase_claims(), SUPABASE_SECRET, "HS256")) == 200
        profile = await web.db.fetchrow("select issuer, subject, email from profiles")
        claims = supabase_claims()
        assert tuple(profile or ()) == (claims["iss"], claims["sub"], claims["email"])

        # What a project's public key for anonymous visitors holds.
        anonymous = {"iss": "supabase", "ref": "project", "role": "anon", "exp": NOW_S + 99}
        assert await ask(web, jwt.encode(anonymous, SUPABASE_SECRET, "HS256")) == 401
        service = {**anonymous, "role": "service_role"}
        assert await ask(web, jwt.encode(service, SUPABASE_SECRET, "HS256")) == 401


async def test_supabase_with_its_key_set_and_an_old_token_while_it_changes_over(
    door: Door, issuer: Issuer
) -> None:
    settings = {"session_jwt_secret": SUPABASE_SECRET, "session_jwks_url": issuer.url}
    async with door.supabase(**settings) as web:
        assert await ask(web, issuer.token("one", **supabase_claims())) == 200
        assert await ask(web, jwt.encode(supabase_claims(), SUPABASE_SECRET, "HS256")) == 200
        assert await web.db.fetchval("select count(*) from profiles") == 1


async def test_auth0_with_a_list_of_audiences_and_a_slash_at_the_end(
    door: Door, issuer: Issuer
) -> None:
    issuer.keys = {"rs": SigningKey.rsa()}
    async with door.auth0(session_jwks_url=issuer.url) as web:
        assert await ask(web, issuer.token("rs", **auth0_claims())) == 200
        assert await ask(web, issuer.token("rs", **auth0_claims(aud=API))) == 200
        wrong: dict[str, dict[str, Any]] = {
            "no slash": {"iss": AUTH0.rstrip("/")},
            "another tenant": {"iss": "https://tenant2.auth0.test/"},
            "a longer issuer": {"iss": AUTH0 + "x"},
            "a list of issuers": {"iss": [AUTH0]},
            "only userinfo": {"aud": ["https://tenant.auth0.test/userinfo"]},
            "a part of our audience": {"aud": [API + ".evil.test"]},
            "a longer audience": {"aud": API + "/"},
            "no audience": {"aud": []},
            "audiences that are no words": {"aud": [1, None]},
            "an object": {"aud": {API: True}},
        }
        answers = {}
        for name, changes in wrong.items():
            claims = auth0_claims(**changes)
            token = jwt.api_jws.encode(
                json.dumps(claims).encode(),
                issuer.keys["rs"].private,
                algorithm="RS256",
                headers={"kid": "rs"},
            )
            answers[name] = await ask(web, token)
        assert answers == dict.fromkeys(wrong, 401)


async def test_the_times_of_a_token_count(door: Door, issuer: Issuer) -> None:
    async with door.supabase(session_jwks_url=issuer.url) as web:
        times: dict[str, tuple[dict[str, Any], int]] = {
            "expired": ({"exp": NOW_S - 60}, 401),
            "expired long ago": ({"exp": 0}, 401),
            "never valid": ({"exp": -1}, 401),
            "not yet valid": ({"nbf": NOW_S + 86_400}, 401),
            "from the future": ({"iat": NOW_S + 86_400}, 401),
            "no time": ({"exp": "soon"}, 401),
            "no expiry": ({"exp": None}, 401),
            "beyond all time": ({"exp": float("inf")}, 401),
            "no number": ({"exp": float("nan")}, 401),
            "far away": ({"exp": 10**18}, 200),
        }
        answers = {
            name: await ask(web, issuer.token("one", **supabase_claims(**changes)))
            for name, (changes, _) in times.items()
        }
    assert answers == {name: wanted for name, (_, wanted) in times.items()}


# --- what attackers send ---------------------------------------------------------------------


async def test_no_forged_token_is_believed(door: Door, issuer: Issuer) -> None:
    ours, evil = SigningKey.rsa(), SigningKey.rsa()
    issuer.keys = {"rs": ours, "es": SigningKey.ec()}
    claims = supabase_claims()
    public = {**evil.public, "kid": "rs"}

    def by_secret(secret: bytes, algorithm: str = "HS256", **header: Any) -> str:
        signed = unsigned({"alg": algorithm, **header}, claims).rpartition(".")[0]
        digest = "sha" + algorithm[2:]
        return unsigned(
            {"alg": algorithm, **header}, claims, hmac.digest(secret, signed.encode(), digest)
        )

    def by_rsa(key: SigningKey, algorithm: str, **header: Any) -> str:
        return jwt.encode(claims, key.private, algorithm=algorithm, headers={"kid": "rs", **header})

    good = issuer.token("rs", **claims)
    head, body, signature = good.split(".")
    forged = {
        "HS256 with the public key as its secret": by_secret(ours.public_pem, kid="rs"),
        "HS256 with the JWK as its secret": by_secret(json.dumps(ours.public).encode(), kid="rs"),
        "HS512 with the real secret": by_secret(SUPABASE_SECRET.encode(), "HS512"),
        "HS256 with an empty secret": by_secret(b""),
        "none": unsigned({"alg": "none", "kid": "rs"}, claims),
        "nOnE": unsigned({"alg": "nOnE", "kid": "rs"}, claims),
        "empty alg": unsigned({"alg": "", "kid": "rs"}, claims),
        "RS512 by the right key": by_rsa(ours, "RS512"),
        "PS256 by the right key": by_rsa(ours, "PS256"),
        "the kid of a key of another kind": by_rsa(ours, "RS256", kid="es"),
        "another key": by_rsa(evil, "RS256"),
        "its own key in the header": by_rsa(evil, "RS256", jwk=public),
        "its own key set in the header": by_rsa(evil, "RS256", jku="https://evil.test/keys"),
        "its own certificate in the header": by_rsa(evil, "RS256", x5u="https://evil.test/x"),
        "a demand we do not know": by_rsa(ours, "RS256", crit=["exp2"], exp2=1),
        "another body": f"{head}.{body[:-4]}AAAA.{signature}",
        "half a signature": f"{head}.{body}.{signature[: len(signature) // 2]}",
        "no signature": f"{head}.{body}.",
        "a part too many": f"{good}.{signature}",
    }
    async with door.supabase(
        session_jwks_url=issuer.url, session_jwt_secret=SUPABASE_SECRET
    ) as web:
        assert await ask(web, good) == 200
        answers = {name: await ask(web, token) for name, token in forged.items()}
    assert answers == dict.fromkeys(forged, 401)


async def test_a_strange_header_is_no_bug(door: Door, issuer: Issuer) -> None:
    def framed(header: bytes) -> str:
        return base64.urlsafe_b64encode(header).rstrip(b"=").decode() + ".e30.c2ln"

    strange = {
        "a list": b"[]",
        "a word": b'"alg"',
        "null": b"null",
        "no text": b"\xff\xfe",
        "half": b'{"alg"',
        "nested a thousand times": b'{"alg": "RS256", "x": ' + b"[" * 5_000 + b"]" * 500 + b"}",
        "a number without end": b'{"alg": "RS256", "kid": ' + b"9" * 5_000 + b"}",
        "a kid that is a list": b'{"alg": "RS256", "kid": []}',
        "a kid that is a number": b'{"alg": "RS256", "kid": 7}',
        "an empty kid": b'{"alg": "RS256", "kid": ""}',
        "alg an object": b'{"alg": {}, "kid": "one"}',
        "b64 off": b'{"alg": "ES256", "kid": "one", "b64": false, "crit": ["b64"]}',
    }
    async with door.supabase(session_jwks_url=issuer.url) as web:
        answers = {name: await ask(web, framed(header)) for name, header in strange.items()}
    assert answers == dict.fromkeys(strange, 401)


async def test_a_huge_token_is_refused_before_anything_is_asked(door: Door, issuer: Issuer) -> None:
    token = issuer.token("one", **supabase_claims(extra="a" * 9_000))
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert await ask(web, token) == 401
        assert issuer.asked == 0


async def test_a_flood_of_made_up_key_ids_asks_the_issuer_twice(door: Door, issuer: Issuer) -> None:
    evil = SigningKey.ec()
    issuer.delay_s = 0.05
    async with door.supabase(session_jwks_url=issuer.url) as web:
        tokens = [
            issuer.token(f"made up {number}", with_key=evil, **supabase_claims())
            for number in range(300)
        ]
        answers = await asyncio.gather(*(ask(web, token) for token in tokens))
        assert set(answers) == {401}
        assert issuer.asked == 1
        assert await ask(web, issuer.token("one", **supabase_claims())) == 200
        assert issuer.asked == 1


# --- an issuer in trouble --------------------------------------------------------------------


async def test_a_rotation_needs_one_request_and_withdraws_the_old_key(
    door: Door, issuer: Issuer, clock: MovableClock
) -> None:
    old = issuer.keys["one"]
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert await ask(web, issuer.token("one", **supabase_claims())) == 200
        issuer.keys = {"two": SigningKey.rsa()}
        clock.ahead_s += 31
        token = issuer.token("two", **supabase_claims())
        answers = await asyncio.gather(*(ask(web, token) for _ in range(50)))
        assert (set(answers), issuer.asked) == ({200}, 2)
        assert await ask(web, issuer.token("one", with_key=old, **supabase_claims())) == 401
        assert issuer.asked == 2


async def test_the_same_key_id_with_another_key_is_noticed_after_ten_minutes(
    door: Door, issuer: Issuer, clock: MovableClock
) -> None:
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert await ask(web, issuer.token("one", **supabase_claims())) == 200
        issuer.keys = {"one": SigningKey.ec()}
        assert await ask(web, issuer.token("one", **supabase_claims())) == 401
        clock.ahead_s += 601
        assert await ask(web, issuer.token("one", **supabase_claims())) == 200


async def test_an_issuer_that_is_down_at_the_start_is_asked_again(
    door: Door, issuer: Issuer, clock: MovableClock
) -> None:
    issuer.status = 502
    token = issuer.token("one", **supabase_claims())
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert [await ask(web, token) for _ in range(20)] == [503] * 20
        assert issuer.asked == 1
        issuer.status = 200
        clock.ahead_s += 31
        assert await ask(web, token) == 200


async def test_an_issuer_that_is_not_there_is_no_bug(door: Door, issuer: Issuer) -> None:
    nowhere = f"http://127.0.0.1:{unused_port()}/keys"
    async with door.supabase(session_jwks_url=nowhere) as web:
        headers = {"Authorization": f"Bearer {issuer.token('one', **supabase_claims())}"}
        answer = await web.client.get("/api/credits", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (
            503,
            "Sessions cannot be checked at the moment",
        )
        assert answer.headers["retry-after"]


@pytest.mark.parametrize("stalls_half_way", [False, True])
async def test_a_slow_issuer_makes_nobody_wait_longer_than_three_seconds(
    door: Door, issuer: Issuer, stalls_half_way: bool
) -> None:
    issuer.delay_s = 0 if stalls_half_way else 30
    issuer.stalls_half_way = stalls_half_way
    token = issuer.token("one", **supabase_claims())
    async with door.supabase(session_jwks_url=issuer.url) as web:
        began = time.monotonic()
        answers = await asyncio.gather(*(ask(web, token) for _ in range(30)))
        assert set(answers) == {503}
        assert time.monotonic() - began < 6
        assert issuer.asked == 1


async def test_known_keys_are_believed_while_the_issuer_stalls_and_one_request_waits(
    door: Door, issuer: Issuer, clock: MovableClock
) -> None:
    token = issuer.token("one", **supabase_claims())
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert await ask(web, token) == 200
        issuer.delay_s = 30
        clock.ahead_s += 601
        began = time.monotonic()
        assert await ask(web, token) == 200  # after the time-out
        waited_s = time.monotonic() - began
        assert [await ask(web, token) for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < waited_s + 2
        assert issuer.asked == 2


GARBAGE = {
    "a page": b"<!doctype html><title>Sign in</title>",
    "a bomb": gzip.compress(b" " * 50_000_000),
    "no keys": b'{"keys": []}',
    "keys of others": b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}]}',
    "nested": b'{"keys": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_from_the_issuer_is_survived(door: Door, issuer: Issuer, name: str) -> None:
    issuer.body = GARBAGE[name]
    issuer.headers = {"content-encoding": "gzip"} if name == "a bomb" else {}
    async with door.supabase(session_jwks_url=issuer.url) as web:
        assert await ask(web, issuer.token("one", **supabase_claims())) in {401, 503}


async def test_the_issuer_cannot_send_us_elsewhere(door: Door, issuer: Issuer) -> None:
    async with running_issuer() as other:
        issuer.status = 302
        issuer.headers = {"location": other.url}
        token = other.token("one", **supabase_claims())
        async with door.supabase(session_jwks_url=issuer.url) as web:
            assert await ask(web, token) == 503
        assert other.asked == 0
