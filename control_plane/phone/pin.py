"""
PINs and codes of the telephone. Six digits are few, so what protects them is threefold: attempts
are counted and locked, the hash is slow, and it needs a secret that is not in the database.
"""

import hashlib
import hmac
import re
import secrets
from itertools import pairwise
from typing import Final

from pydantic import SecretStr

from shared.errors import Invalid
from shared.phone_protocol import CODE_DIGITS, PIN_DIGITS

# 16 MB and 50 ms a try: nothing beside a telephone call, much for who has stolen the table.
SCRYPT_N: Final = 2**14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32

FREE_ATTEMPTS: Final = 5  # wrong PINs until the first lock, and between all others
LOCK_S: Final = 15 * 60  # doubled at each lock
LOCK_MAX_S: Final = 24 * 3600
CODE_FAILURES_MAX: Final = 5
CODE_TTL_S: Final = 15 * 60


class WeakPin(Invalid):
    """Choose a PIN of six digits that is not a row or one digit repeated"""

    code = "weak_pin"


def check_pin(pin: str) -> None:
    """Raises WeakPin for what is tried first."""
    if not re.fullmatch(rf"[0-9]{{{PIN_DIGITS}}}", pin):
        raise WeakPin
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        raise WeakPin


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def new_code() -> str:
    """Digits of which the first may be 0."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def pin_hash(pin: str, *, salt: bytes, secret: SecretStr) -> bytes:
    """Takes 50 ms: never on the event loop."""
    keyed = hmac.digest(secret.get_secret_value().encode(), pin.encode(), "sha256")
    return hashlib.scrypt(keyed, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=HASH_BYTES)


def is_pin(pin: str, *, salt: bytes, hash_: bytes, secret: SecretStr) -> bool:
    """In constant time. Takes as long as `pin_hash`."""
    return hmac.compare_digest(pin_hash(pin, salt=salt, secret=secret), hash_)
