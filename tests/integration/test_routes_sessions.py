"""Whose session tokens are believed: the shared secret, the issuer's key set, the local issuer."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import pytest_asyncio

from billing.money import from_credits
from shared.clock import SystemClock
from tests.builders import ISSUER
from tests.fakes.clock import MovableClock
from tests.fakes.issuer import CLAIMS, Issuer, SigningKey, running_issuer, unsigned
from tests.web_process import SECRET, Media, Web, running_web, session_token, web_settings

REFUSED = {
    "error": "User not found",
    "message": "User not found (401)",
    "status": 401,
    "serverMessage": "User not found",
    "retryAfter": None,
    "code": "unauthenticated",
}


def from_now(seconds: int) -> datetime:
    return SystemClock().now() + timedelta(seconds=seconds)


def bad_tokens() -> dict[str, str]:
    """Made when they are asked for: some are about the time of now."""
    return {
        "empty": "",
        "no token": "no.token.here",
        "two parts": "a.b",
        "expired": session_token(exp=from_now(-31)),
        "without an expiry": session_token(exp=None),
        "without a subject": session_token(sub=None),
        "without an issuer": session_token(iss=None),
        "without an audience": session_token(aud=None),
        "of another issuer": session_token(iss="https://evil.test"),
        "for another audience": session_token(aud="somebody-else"),
        "not valid yet": session_token(nbf=from_now(120)),
        "with an empty subject": session_token(sub=""),
        "with a NUL in the subject": session_token(sub="a\x00b"),
        "with a very long subject": session_token(sub="a" * 256),
        "too long": session_token(extra="a" * 9_000),
        "of another secret": jwt.encode(CLAIMS, SECRET + "!", algorithm="HS256"),
        "of another algorithm": jwt.encode(CLAIMS, SECRET * 2, algorithm="HS512"),
        "alg none": unsigned({"alg": "none", "typ": "JWT"}, CLAIMS),
        "alg None": unsigned({"alg": "None"}, CLAIMS, b"x"),
        "no alg": unsigned({"typ": "JWT"}, CLAIMS, b"x"),
        "alg of a strange type": unsigned({"alg": ["HS256"]}, CLAIMS, b"x"),
    }


async def test_a_token_that_is_wrong_in_any_way_gets_one_answer(web: Web) -> None:
    tokens = bad_tokens()
    answers = {}
    for name, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = await web.client.get("/api/credits", headers=headers)
        answers[name] = (answer.status_code, answer.json())
    assert answers == dict.fromkeys(tokens, (401, REFUSED))
    assert await web.db.fetchval("select count(*) from profiles") == 0


async def test_without_a_bearer_token_nobody_is_known(web: Web) -> None:
    for header in (None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token"):
        headers = {} if header is None else {"Authorization": header}
        answer = await web.client.get("/api/credits", headers=headers)
        assert (header, answer.status_code, answer.json()) == (header, 401, REFUSED)


async def test_clocks_may_differ_by_half_a_minute(web: Web) -> None:
    headers = {"Authorization": f"bearer {session_token(exp=from_now(-25))}"}
    assert (await web.client.get("/api/credits", headers=headers)).status_code == 200


async def test_a_first_session_opens_an_account_with_its_sign_up_credit(web: Web) -> None:
    headers = {"Authorization": f"Bearer {session_token(sub='new', email='new@example.test')}"}
    answer = await web.client.get("/api/credits", headers=headers)
    balance = {"amount": 10000, "reserved": 0, "available": 10000, "debt": 0}
    assert answer.json().items() >= balance.items()
    profile = await web.db.fetchrow("select issuer, subject, email from profiles")
    assert profile is not None
    assert tuple(profile) == (ISSUER, "new", "new@example.test")


async def test_20_first_requests_at_once_open_one_account_and_grant_credit_once(web: Web) -> None:
    headers = {"Authorization": f"Bearer {session_token(sub='new')}"}

    answers = await asyncio.gather(
        *(web.client.get("/api/credits", headers=headers) for _ in range(20))
    )

    assert [answer.status_code for answer in answers] == [200] * 20
    assert await web.db.fetchval("select count(*) from profiles") == 1
    posted = await web.db.fetch("select kind, amount from credit_transactions")
    assert [tuple(row) for row in posted] == [("freemium", from_credits(10_000))]


async def test_a_refused_first_request_keeps_the_account(web: Web) -> None:
    headers = {"Authorization": f"Bearer {session_token(sub='new')}"}
    refused = await web.client.post("/api/call-token", content=b"{", headers=headers)
    assert refused.status_code == 400
    assert await web.db.fetchval("select count(*) from credit_transactions") == 1


# --- the issuer's key set --------------------------------------------------------------------


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as server:
        yield server


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def jwks_web(
    db_dsn: str, media: Media, issuer: Issuer, clock: MovableClock
) -> AsyncIterator[Web]:
    settings = web_settings(db_dsn, media, session_jwt_secret=None, session_jwks_url=issuer.url)
    async with running_web(settings, clock=clock) as running:
        yield running


async def ask(web: Web, token: str) -> int:
    answer = await web.client.get("/api/credits", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


@pytest.mark.parametrize("make", [SigningKey.rsa, SigningKey.ec, SigningKey.ed25519])
async def test_all_three_kinds_of_keys_are_understood(
    jwks_web: Web, issuer: Issuer, make: Any
) -> None:
    issuer.keys = {"k": make()}
    assert await ask(jwks_web, issuer.token("k")) == 200
    assert await ask(jwks_web, issuer.token("k", exp=1)) == 401
    assert await ask(jwks_web, issuer.token("k", aud="other")) == 401
    assert await ask(jwks_web, issuer.token("k", iss="https://evil.test")) == 401
    assert await ask(jwks_web, issuer.token("k", with_key=make())) == 401


async def test_a_public_key_is_no_shared_secret(jwks_web: Web, issuer: Issuer) -> None:
    """Algorithm confusion: the key set is public, so anybody could sign HS256 with it."""
    public = json.dumps(issuer.keys["one"].public).encode()
    header = {"alg": "HS256", "kid": "one"}
    signed = unsigned(header, CLAIMS).rpartition(".")[0]
    forged = unsigned(header, CLAIMS, hmac.digest(public, signed.encode(), "sha256"))
    assert await ask(jwks_web, forged) == 401
    assert await ask(jwks_web, unsigned({"alg": "none", "kid": "one"}, CLAIMS)) == 401


async def test_a_symmetric_key_in_the_set_is_not_used(jwks_web: Web, issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()
    issuer.body = json.dumps({"keys": [{"kty": "oct", "k": secret, "kid": "s"}]}).encode()
    forged = jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers={"kid": "s"})
    assert await ask(jwks_web, forged) == 401


async def test_the_key_set_is_fetched_once_for_any_number_of_requests(
    jwks_web: Web, issuer: Issuer
) -> None:
    issuer.delay_s = 0.1
    answers = await asyncio.gather(*(ask(jwks_web, issuer.token("one")) for _ in range(20)))
    assert answers == [200] * 20
    assert issuer.asked == 1


async def test_a_new_key_is_believed_as_soon_as_a_token_names_it(
    jwks_web: Web, issuer: Issuer, clock: MovableClock
) -> None:
    assert await ask(jwks_web, issuer.token("one")) == 200
    issuer.keys["two"] = SigningKey.rsa()
    clock.ahead_s += 30

    assert await ask(jwks_web, issuer.token("two")) == 200
    assert await ask(jwks_web, issuer.token("one")) == 200
    assert issuer.asked == 2


async def test_made_up_key_ids_cause_one_request_in_30_seconds(
    jwks_web: Web, issuer: Issuer, clock: MovableClock
) -> None:
    key = SigningKey.ec()
    for number in range(20):
        assert await ask(jwks_web, issuer.token(f"made up {number}", with_key=key)) == 401
    assert issuer.asked == 1
    clock.ahead_s += 31
    for number in range(20):
        assert await ask(jwks_web, issuer.token(f"made up {number}", with_key=key)) == 401
    assert issuer.asked == 2


async def test_a_withdrawn_key_is_refused_after_ten_minutes(
    jwks_web: Web, issuer: Issuer, clock: MovableClock
) -> None:
    old = issuer.keys["one"]
    assert await ask(jwks_web, issuer.token("one")) == 200
    issuer.keys = {"two": SigningKey.ec()}
    clock.ahead_s += 599
    assert await ask(jwks_web, issuer.token("one", with_key=old)) == 200
    clock.ahead_s += 2
    assert await ask(jwks_web, issuer.token("one", with_key=old)) == 401


async def test_known_keys_outlive_an_hour_without_the_issuer(
    jwks_web: Web, issuer: Issuer, clock: MovableClock
) -> None:
    assert await ask(jwks_web, issuer.token("one")) == 200
    issuer.status = 500
    clock.ahead_s += 3_500
    assert await ask(jwks_web, issuer.token("one")) == 200
    clock.ahead_s += 200
    assert await ask(jwks_web, issuer.token("one")) == 503


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"keys": {}}', b'"keys"', b'{"keys": []}' + b" " * 65_536, b"\xff\xfe"],
    ids=["empty", "half", "list", "object", "text", "too long", "no text"],
)
async def test_an_answer_that_is_no_key_set_is_trouble_and_no_bug(
    jwks_web: Web, issuer: Issuer, body: bytes
) -> None:
    issuer.body = body
    assert await ask(jwks_web, issuer.token("one")) == 503


async def test_keys_we_cannot_use_are_skipped(jwks_web: Web, issuer: Issuer) -> None:
    usable = {**issuer.keys["one"].public, "kid": "one"}
    strange: list[Any] = [
        None,
        7,
        {},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": "!"},
        {**usable, "use": "enc", "kid": "enc"},
        {**usable, "alg": "ES512", "kid": "alg"},
        {**usable, "kid": ["list"]},
    ]
    issuer.body = json.dumps({"keys": [*strange, usable]}).encode()
    assert await ask(jwks_web, issuer.token("one")) == 200


async def test_a_token_without_a_key_id_needs_an_only_key(
    jwks_web: Web, issuer: Issuer, clock: MovableClock
) -> None:
    assert await ask(jwks_web, issuer.token(None)) == 200
    issuer.keys["two"] = SigningKey.ec()
    clock.ahead_s += 601
    assert await ask(jwks_web, issuer.token(None)) == 401
    assert await ask(jwks_web, issuer.token("one")) == 200


# --- the local issuer ------------------------------------------------------------------------


async def test_the_local_issuer_opens_one_account_for_an_e_mail(db_dsn: str, media: Media) -> None:
    async with running_web(web_settings(db_dsn, media, local_dev=True)) as web:
        first = await web.client.post("/dev/session", content=b'{"email": " Me@Example.TEST "}')
        again = await web.client.post("/dev/session", content=b'{"email": "me@example.test"}')

        assert first.status_code == 200, first.text
        assert set(first.json()) == {"userId", "token"}
        assert again.json()["userId"] == first.json()["userId"]
        assert await ask(web, first.json()["token"]) == 200
        assert await web.db.fetchval("select subject from profiles") == "me@example.test"
        claims = jwt.decode(first.json()["token"], options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 12 * 3600


NO_EMAILS = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"email": null}',
    b'{"email": 7}',
    b'{"email": ""}',
    b'{"email": "nobody"}',
    b'{"email": "a@b@c"}',
    b'{"email": "a b@c"}',
    b'{"email": "a\\u0000@b"}',
    b'{"email": "a\\ud800@b"}',
    b'{"email": "' + b"a" * 255 + b'@b"}',
]


async def test_the_local_issuer_wants_an_e_mail(db_dsn: str, media: Media) -> None:
    async with running_web(web_settings(db_dsn, media, local_dev=True)) as web:
        for body in NO_EMAILS:
            answer = await web.client.post("/dev/session", content=body)
            assert (body, answer.status_code) == (body, 400)
        assert await web.db.fetchval("select count(*) from profiles") == 0


async def test_the_local_issuer_does_not_exist_elsewhere(web: Web) -> None:
    for method in ("GET", "POST"):
        answer = await web.client.request(method, "/dev/session", content=b'{"email": "a@b.c"}')
        unknown = await web.client.request(method, "/dev/nothing", content=b'{"email": "a@b.c"}')
        assert (answer.status_code, answer.json()) == (404, unknown.json())
    assert "/dev/session" not in (await web.client.get("/openapi.json")).text
