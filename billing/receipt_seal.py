"""
The sealed form of a receipt, and whether its seal holds. Pure; reads what strangers send.

    {"receipt": <the body, readable>, "body": "<the signed text>", "hash", "signature", "keyId"}
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from billing import canonical_json
from billing.canonical_json import NotCanonical
from billing.receipt_body import hash_of

PublicKeys = Mapping[str, Ed25519PublicKey]

_FIELDS: Final = {"receipt", "body", "hash", "signature", "keyId"}


@dataclass(frozen=True, slots=True)
class SealedReceipt:
    """`content` is what `body` says; `readable` is what stands beside it for people."""

    body: str
    content: Any
    readable: object
    hash: str
    signature: str
    key_id: str


def read_sealed(text: str) -> SealedReceipt:
    """Raises NotCanonical when it is no receipt at all."""
    document = canonical_json.read(text)
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        raise NotCanonical(f"it is not an object with exactly {', '.join(sorted(_FIELDS))}")
    for name in _FIELDS - {"receipt"}:
        if not isinstance(document[name], str):
            raise NotCanonical(f"{name} is not a string")
    return SealedReceipt(
        body=document["body"],
        content=canonical_json.decode(document["body"]),
        readable=document["receipt"],
        hash=document["hash"],
        signature=document["signature"],
        key_id=document["keyId"],
    )


def seal_problems(sealed: SealedReceipt, keys: PublicKeys | None) -> Iterator[str]:
    """What is wrong with hash, readable part and signature; `keys` None: there are none to try."""
    if hash_of(sealed.body) != sealed.hash:
        yield "the hash is not the SHA-256 of the body"
    if not _says_the_same(sealed.readable, sealed.body):
        yield "the readable part differs from the signed body"
    if keys is None:
        yield "the signature was not checked: there are no public keys"
    elif sealed.key_id not in keys:
        yield f"the signature was not checked: the key set has no key {sealed.key_id!r}"
    elif not _is_signed(sealed, keys[sealed.key_id]):
        yield f"the signature is not one of key {sealed.key_id!r} for this body"


def read_keys(text: str) -> dict[str, Ed25519PublicKey]:
    """The keys of a JSON Web Key Set by their names. Raises NotCanonical."""
    key_set = canonical_json.read(text)
    entries = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(entries, list):
        raise NotCanonical('it has no list "keys"')
    return dict(_public_key(entry) for entry in entries)


def _public_key(entry: object) -> tuple[str, Ed25519PublicKey]:
    if not isinstance(entry, dict) or entry.get("crv") != "Ed25519":
        raise NotCanonical("it has a key that is not Ed25519")
    name, public = entry.get("kid"), entry.get("x")
    if not isinstance(name, str) or not isinstance(public, str):
        raise NotCanonical('it has a key without "kid" or "x"')
    try:
        return name, Ed25519PublicKey.from_public_bytes(_from_base64url(public))
    except ValueError:
        raise NotCanonical(f"key {name!r} is not an Ed25519 key") from None


def _says_the_same(readable: object, body: str) -> bool:
    try:
        return canonical_json.encode(readable) == body
    except NotCanonical:
        return False


def _is_signed(sealed: SealedReceipt, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(_from_base64url(sealed.signature), sealed.body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _from_base64url(text: str) -> bytes:
    """Strict: a decoder that skips what it does not know lets a signature be spelled anew."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise NotCanonical("it is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise NotCanonical("it is not base64url without padding")
    return raw
