"""The form of keys and of their hashes, the words of scopes, and the secret of the local stack."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest

from control_plane.api_keys import (
    KEY_FORM,
    ApiCaller,
    MissingScope,
    Scope,
    hash_key,
    known_scopes,
    new_key,
)
from control_plane.auth import Role
from control_plane.v1_errors import is_for_programs, program_error_body
from local.environment import api_key_secret
from shared.ids import UserId, new_uuid


def test_a_key_is_upstreams_form_and_never_the_same() -> None:
    keys = {new_key() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert all(re.fullmatch(r"sk_live_[A-Za-z0-9]{32}", key) for key in keys)
    assert all(KEY_FORM.fullmatch(key) for key in keys)
    assert len(set("".join(key[8:] for key in keys))) == 62


@pytest.mark.parametrize(
    "text",
    ["", "sk_live_", "sk_live_" + "a" * 31, "sk_live_" + "a" * 33, "sk_test_" + "a" * 32,
     "SK_LIVE_" + "a" * 32, "sk_live_" + "a" * 31 + "-", "sk_live_" + "a" * 32 + "\n",
     "sk_live_" + "٣" * 32],
)  # fmt: skip
def test_what_looks_otherwise_is_no_key(text: str) -> None:
    assert KEY_FORM.fullmatch(text) is None


def test_a_hash_is_the_one_upstream_stores() -> None:
    """Upstream keeps the hexadecimal text of HMAC-SHA256; moving means decoding it."""
    key, secret = "sk_live_" + "a" * 32, b"a secret of the two"
    assert hash_key(key, secret).hex() == hmac.new(secret, key.encode(), "sha256").hexdigest()
    assert hash_key(key, secret) != hashlib.sha256(key.encode()).digest()
    assert hash_key(key, secret) != hash_key(key, b"another secret")


def test_upstreams_word_means_ours() -> None:
    assert known_scopes(["voice:generate", "jobs"]) == {Scope.SPEECH_GENERATE, Scope.JOBS}
    with pytest.raises(ValueError, match="everything"):
        known_scopes(["everything"])


@pytest.mark.parametrize("scope", Scope)
def test_a_caller_may_what_its_key_may_and_nothing_else(scope: Scope) -> None:
    others = frozenset(Scope) - {scope}
    caller = ApiCaller(UserId(new_uuid()), new_uuid(), others, is_paid=True)
    for other in others:
        caller.require(other)
    with pytest.raises(MissingScope, match=scope):
        caller.require(scope)


def test_a_higher_role_may_what_a_lower_one_may() -> None:
    may = {(one, other) for one in Role for other in Role if one.includes(other)}
    assert may == {
        ("user", "user"),
        ("support", "user"),
        ("support", "support"),
        ("operator", "user"),
        ("operator", "support"),
        ("operator", "operator"),
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "permission_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (409, "invalid_request_error"),
        (413, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_each_status_has_a_type_that_clients_know(status: int, kind: str) -> None:
    body = program_error_body(status, "No", code="x", param="voice")
    assert body == {"error": {"message": "No", "type": kind, "param": "voice", "code": "x"}}


def test_only_the_doors_of_programs_are_theirs() -> None:
    paths = ["/v1/audio/speech", "/api/v1/speech", "/api/voices", "/internal/v1/x", "/v1", "/v10/x"]
    assert [is_for_programs(path) for path in paths] == [True, True, False, False, False, False]


def test_a_local_stack_keeps_its_secret(tmp_path: Path) -> None:
    data = tmp_path / "data"
    secret = api_key_secret(data)
    assert len(secret) >= 32
    assert api_key_secret(data) == secret
    assert (data / "api-key-secret").stat().st_mode & 0o077 == 0
    assert api_key_secret(tmp_path / "other") != secret
