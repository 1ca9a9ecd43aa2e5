"""
API keys: `sk_live_` and 32 letters and digits, shown once, kept as a keyed hash.

A key belongs to an account and spends its balance, within its scopes and its own credit limit.
Upstream's hashes are the same: its keys go on working where API_KEY_HMAC_SECRET is the same.
"""

import hmac
import re
import secrets
import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from billing.errors import AccountFrozen
from billing.features import features_of
from billing.price_words import credits_in_words
from control_plane.errors import PaidOnly
from control_plane.store import api_keys as store
from control_plane.store.api_keys import ApiKey
from shared.db import Tx
from shared.errors import (
    Forbidden,
    InsufficientCredits,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from shared.ids import UserId, new_uuid

KEY_PREFIX: Final = "sk_live_"
KEY_FORM: Final = re.compile(r"sk_live_[A-Za-z0-9]{32}")
SHOWN_CHARS: Final = 12  # the part that lists show, so that people can tell keys apart
SECRET_CHARS: Final = 32  # 190 bits
LISTED_MAX: Final = 500  # revoked keys stay in the list; nobody reads more
NOT_OFFERED_RETRY_S: Final = 3600  # until somebody has configured it
_ALPHABET: Final = string.ascii_letters + string.digits


class Scope(StrEnum):
    """What a key may be used for. A request needs the scope of its route."""

    SPEECH_GENERATE = "speech:generate"
    VOICES_READ = "voices:read"
    BILLING_READ = "billing:read"
    USAGE_READ = "usage:read"
    JOBS = "jobs"


# Upstream's word, in its rows and in what its clients may send.
_ALIASES: Final = {"voice:generate": Scope.SPEECH_GENERATE}


class InvalidApiKey(Unauthenticated):
    """Invalid API key"""

    code = "invalid_api_key"
    param = "authorization"


class MissingScope(Forbidden):
    """This API key may not do that"""

    code = "missing_scope"
    param = "authorization"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This API key lacks the scope {scope}")
        self.scope = scope


class KeyQuotaExceeded(InsufficientCredits):
    """The credit limit of this API key is reached"""

    code = "api_key_quota_exceeded"
    param = "authorization"

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__(
            f"This needs {credits_in_words(needed)}; "
            f"the limit of this API key leaves {credits_in_words(available)}"
        )
        self.needed = needed
        self.available = available


class ApiKeyNotFound(NotFound):
    """API key not found"""

    code = "api_key_not_found"


class ApiKeysNotOffered(Unavailable):
    """API keys are not offered here: API_KEY_HMAC_SECRET is not set"""

    code = "api_keys_not_offered"

    def __init__(self) -> None:
        super().__init__(retry_after_s=NOT_OFFERED_RETRY_S)


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """Whose key was shown. `is_paid` may be some seconds old (see `key_ring.py`)."""

    user_id: UserId
    api_key_id: UUID
    scopes: frozenset[Scope]
    is_paid: bool

    def require(self, scope: Scope) -> None:
        """Raises MissingScope."""
        if scope not in self.scopes:
            raise MissingScope(scope)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """The row, and the only copy of the key itself."""

    row: ApiKey
    key: str


def new_key() -> str:
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))


def known_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """The scopes that `words` name. Raises ValueError for a word that names none."""
    return frozenset(_ALIASES.get(word) or Scope(word) for word in words)


def hash_key(key: str, secret: bytes) -> bytes:
    """HMAC-SHA256: a stolen table is worth nothing without the secret."""
    return hmac.digest(secret, key.encode(), "sha256")


async def check_may_create(tx: Tx, owner: UserId) -> None:
    """Lock the account's keys. Raises AccountFrozen or PaidOnly."""
    account = await store.lock_owner(tx, owner)
    if account is None or account.is_frozen:
        raise AccountFrozen
    if (await features_of(tx, owner)).api_keys == 0:
        raise PaidOnly("API keys require a paid account")


async def create(
    tx: Tx,
    *,
    owner: UserId,
    name: str,
    scopes: Collection[Scope],
    credit_limit: int | None,
    expires_at: datetime | None,
    hmac_secret: bytes,
) -> CreatedKey:
    """A key, after `check_may_create`. `credit_limit` is in micro-credits. Raises Invalid."""
    allowed = (await features_of(tx, owner)).api_keys
    if await store.count_usable(tx, owner) >= allowed:
        raise Invalid(f"Maximum of {allowed} active API keys allowed")
    key = new_key()
    row = await store.insert(
        tx,
        key_id=new_uuid(),
        owner=owner,
        key_hash=hash_key(key, hmac_secret),
        key_prefix=key[:SHOWN_CHARS],
        name=name,
        scopes=sorted(scopes),
        credit_limit=credit_limit,
        expires_at=expires_at,
    )
    return CreatedKey(row, key)


async def take_charge(tx: Tx, *, key_id: UUID, owner: UUID, charge_id: UUID) -> None:
    """
    Let a key pay for a charge that this transaction reserved.

    Nothing else is to be done: settling, releasing and expiring the charge move the key's credit
    in the same statement. Raises KeyQuotaExceeded, or InvalidApiKey when the key was revoked
    meanwhile; let it roll back the transaction, and the hold with it.
    """
    taken = await store.take_charge(tx, key_id=key_id, owner=owner, charge_id=charge_id)
    if taken.outcome == "no_key":
        raise InvalidApiKey
    if taken.outcome == "no_quota":
        assert taken.available is not None, "without a limit nothing is refused"
        raise KeyQuotaExceeded(needed=taken.needed, available=taken.available)
