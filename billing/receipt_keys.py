"""
The keys that sign receipts: Ed25519, named, several at a time.

    python -m billing.receipt_keys new      print a fresh entry for RECEIPT_SIGNING_KEYS

`RECEIPT_SIGNING_KEYS` is `name:seed[,name:seed...]`, each seed 32 random bytes in base64. The first
signs; all are published, so a receipt signed by an older key can still be checked. To rotate, put a
new entry in front and keep the old ones. Never logs or shows a seed.
"""

import base64
import binascii
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from billing import canonical_json
from shared.settings import EnvironmentSettings

KEYS_MAX: Final = 32  # a yearly rotation fills it in a generation
SEED_BYTES: Final = 32
NAME_CHARS: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class ReceiptKeySettings(EnvironmentSettings):
    """Without keys receipts are written all the same, and wait for a signature."""

    receipt_signing_keys: SecretStr | None = None


class BadReceiptKeys(ValueError):
    """RECEIPT_SIGNING_KEYS cannot be used; the message names the entry, never its seed."""


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """One key and the name it is published under."""

    key_id: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, body: str) -> str:
        """The signature of the body's UTF-8 bytes, in base64url without padding."""
        return _base64url(self._private.sign(body.encode()))

    def public_jwk(self) -> dict[str, str]:
        """The public half (RFC 8037)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.key_id,
            "x": _base64url(self._private.public_key().public_bytes_raw()),
        }


@dataclass(frozen=True, slots=True)
class ReceiptKeys:
    """The signing key first, then those that signed before."""

    keys: tuple[ReceiptKey, ...] = ()

    @classmethod
    def of(cls, settings: ReceiptKeySettings) -> "ReceiptKeys":
        """The configured keys, none when there are none. Raises BadReceiptKeys."""
        secret = settings.receipt_signing_keys
        return cls.parse(secret.get_secret_value()) if secret else cls()

    @classmethod
    def parse(cls, text: str) -> "ReceiptKeys":
        """Raises BadReceiptKeys."""
        entries = text.split(",")
        if len(entries) > KEYS_MAX:
            raise BadReceiptKeys(f"RECEIPT_SIGNING_KEYS has more than {KEYS_MAX} keys")
        keys = tuple(_parse_key(number, entry) for number, entry in enumerate(entries, start=1))
        if len({key.key_id for key in keys}) != len(keys):
            raise BadReceiptKeys("RECEIPT_SIGNING_KEYS has the same name twice")
        return cls(keys)

    @property
    def signer(self) -> ReceiptKey | None:
        return self.keys[0] if self.keys else None

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """What is published: a JSON Web Key Set."""
        return {"keys": [key.public_jwk() for key in self.keys]}


def new_entry() -> str:
    """A fresh `name:seed`. The name is the start of the RFC 7638 thumbprint: it never repeats."""
    private = Ed25519PrivateKey.generate()
    jwk = ReceiptKey("", private).public_jwk()
    thumbprint = canonical_json.encode({name: jwk[name] for name in ("crv", "kty", "x")})
    name = _base64url(hashlib.sha256(thumbprint.encode()).digest())[:NAME_CHARS]
    return f"{name}:{base64.b64encode(private.private_bytes_raw()).decode()}"


def _parse_key(number: int, entry: str) -> ReceiptKey:
    name, colon, seed = entry.strip().partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise BadReceiptKeys(f"key {number} of RECEIPT_SIGNING_KEYS is not name:seed")
    try:
        raw = base64.b64decode(seed, validate=True)
    except (binascii.Error, ValueError):
        raise BadReceiptKeys(f"the seed of key {number} is not base64") from None
    if len(raw) != SEED_BYTES:
        raise BadReceiptKeys(f"the seed of key {number} is not {SEED_BYTES} bytes")
    return ReceiptKey(name, Ed25519PrivateKey.from_private_bytes(raw))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def main(arguments: Sequence[str]) -> int:
    if list(arguments) != ["new"]:
        sys.stderr.write("usage: python -m billing.receipt_keys new\n")
        return 2
    sys.stdout.write(new_entry() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
