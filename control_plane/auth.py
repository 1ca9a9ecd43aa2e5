"""
Who is asking: people by the session JWT of an OIDC issuer, agent workers by a shared credential.

Never logs a token. A token that is wrong in any way gets one and the same answer.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import jwt

from control_plane.jwks import KeySet
from control_plane.mail.letters import is_mailbox
from control_plane.settings import SessionSettings
from shared.errors import Unauthenticated
from shared.settings import InternalSettings

TOKEN_CHARS_MAX: Final = 8_192  # an ID token with many claims has 2-3 thousand
SUBJECT_CHARS_MAX: Final = 255  # OpenID Connect Core 2
EMAIL_CHARS_MAX: Final = 320
LEEWAY_S: Final = 30  # clocks of two companies; a session lives for an hour
SHARED_KEY_ALGORITHM: Final = "HS256"
_REQUIRED: Final = ["exp", "iss", "sub", "aud"]


class Role(StrEnum):
    """What staff may see, each more than the one before. Customers are users."""

    USER = "user"
    SUPPORT = "support"
    OPERATOR = "operator"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who the issuer says it is. `email` is for display only: some issuers do not verify it.

    `mail_address` is `email` where the issuer says that it has.
    """

    issuer: str
    subject: str
    email: str | None
    role: Role = Role.USER
    mail_address: str | None = None


def bearer_token(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer ...`. Raises Unauthenticated."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARS_MAX:
        raise Unauthenticated
    return token


def check_worker_credential(token: str, settings: InternalSettings) -> None:
    """Raises Unauthenticated unless it is the workers' credential; takes equally long always."""
    wanted = settings.internal_token.get_secret_value()
    if not hmac.compare_digest(token.encode(), wanted.encode()):
        raise Unauthenticated("Invalid credential")


class SessionVerifier:
    """Checks session tokens of the one configured issuer."""

    def __init__(self, settings: SessionSettings, keys: KeySet | None) -> None:
        self._issuer = settings.session_jwt_issuer
        self._audience = settings.session_jwt_audience
        self._role_claim = settings.session_role_claim
        self._verified_claim = settings.session_email_verified_claim
        secret = settings.session_jwt_secret
        self._secret = secret.get_secret_value() if secret else None
        self._keys = keys

    async def verify(self, token: str) -> Identity:
        """Raises Unauthenticated, or Unavailable while the issuer's keys cannot be had."""
        try:
            claims = await self._claims(token)
        except jwt.PyJWTError as error:
            raise Unauthenticated from error
        subject = claims["sub"]
        if not _is_plain(subject, SUBJECT_CHARS_MAX):
            raise Unauthenticated
        email = claims.get("email")
        if not _is_plain(email, EMAIL_CHARS_MAX):
            email = None
        is_verified = _claim(claims, self._verified_claim) is True
        return Identity(
            self._issuer,
            subject,
            email,
            _role_in(claims, self._role_claim),
            email if is_verified and email and is_mailbox(email) else None,
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") == SHARED_KEY_ALGORITHM:
            if self._secret is None:
                raise Unauthenticated
            return self._decode(token, self._secret, SHARED_KEY_ALGORITHM)
        if self._keys is None:
            raise Unauthenticated
        key = await self._keys.find(header.get("kid"))
        if key is None:
            raise Unauthenticated
        # The algorithm is the key's, never the one the token asks for.
        return self._decode(token, key, key.algorithm_name)

    def _decode(self, token: str, key: str | jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED},
        )


def _role_in(claims: Mapping[str, Any], name: str) -> Role:
    """
    The highest role we know in the claim: a word or a list of words. A user without one.

    `name` is a claim's whole name (Auth0 wants web addresses), or a path into objects with dots.
    """
    found = _claim(claims, name)
    words = found if isinstance(found, list) else [found]
    return max((role for role in Role if role in words), key=list(Role).index, default=Role.USER)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    found: Any = claims
    for part in [name] if name in claims else name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _is_plain(text: object, chars_max: int) -> bool:
    """A non-empty string Postgres can store."""
    return isinstance(text, str) and 0 < len(text) <= chars_max and text.isprintable()
