"""
An issuer of session tokens on loopback: it publishes a key set, rotates, fails, stalls and lies.

    async with running_issuer() as issuer:
        issuer.keys = {"one": SigningKey.rsa()}
        token = issuer.token("one", sub="somebody")
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web as aiohttp_web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.builders import ISSUER
from tests.web_process import AUDIENCE

CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": 4_102_444_800}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, the algorithm it signs with, and its public half as a JWK."""

    private: Any
    algorithm: str
    public: dict[str, Any]

    @classmethod
    def rsa(cls) -> "SigningKey":
        key = rsa.generate_private_key(65537, 2048)
        return cls(key, "RS256", RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))

    @classmethod
    def ec(cls) -> "SigningKey":
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, "ES256", ECAlgorithm.to_jwk(key.public_key(), as_dict=True))

    @classmethod
    def ed25519(cls) -> "SigningKey":
        key = ed25519.Ed25519PrivateKey.generate()
        return cls(key, "EdDSA", OKPAlgorithm.to_jwk(key.public_key(), as_dict=True))

    @property
    def public_pem(self) -> bytes:
        pem: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem


@dataclass(slots=True)
class Issuer:
    """What it answers: `keys`, or `body` where that is set; `asked` counts."""

    url: str = ""
    keys: dict[str, SigningKey] = field(default_factory=dict)
    asked: int = 0
    body: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    stalls_half_way: bool = False

    async def answer(self, request: aiohttp_web.Request) -> aiohttp_web.StreamResponse:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        published = [{**key.public, "kid": kid} for kid, key in self.keys.items()]
        body = json.dumps({"keys": published}).encode() if self.body is None else self.body
        if not self.stalls_half_way:
            return aiohttp_web.Response(body=body, status=self.status, headers=self.headers)
        response = aiohttp_web.StreamResponse()
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(30)
        return response

    def token(
        self,
        kid: str | None = None,
        *,
        with_key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token of the usual claims, changed; None removes one, also the header's `kid`."""
        key = with_key or self.keys[kid or next(iter(self.keys))]
        wanted = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
        headers = {**({} if kid is None else {"kid": kid}), **(header or {})}
        return jwt.encode(wanted, key.private, algorithm=key.algorithm, headers=headers)


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    """A token put together by hand, with any signature."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """With one elliptic key, "one"."""
    server = Issuer(keys={"one": SigningKey.ec()})
    app = aiohttp_web.Application()
    app.router.add_get("/keys", server.answer)
    runner = aiohttp_web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp_web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    try:
        yield server
    finally:
        await runner.cleanup()
