"""
Texts as vectors of length 1: by any OpenAI-compatible server, or by hashing.

The hashed embedding understands nothing: texts are near when they share words and pieces of words.
It needs no key and no network, and says so in its name.
"""

import asyncio
import math
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

import openai
from openai.types import CreateEmbeddingResponse

from control_plane.memories.settings import MemorySettings
from control_plane.memories.texts import EMPTY_WORDS
from shared.errors import Unavailable
from shared.log import get_logger
from shared.settings import key_for_sdk

log = get_logger(__name__)

HASHED: Final = "hashed-256"
DIMENSIONS: Final = 256
PIECE_CHARS: Final = 3
TIMEOUT_S: Final = 2.0  # in a call somebody waits for it
DIMENSIONS_MAX: Final = 512  # the beginning of a longer one: near enough, and quick to compare

Vector = list[float]


class EmbeddingAway(Unavailable):
    """The embedding model did not answer"""

    code = "embedding_unavailable"


class Embedder(Protocol):
    """`name` is kept with each vector; only vectors of one name are compared."""

    @property
    def name(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text. Raises EmbeddingAway."""
        ...

    async def close(self) -> None: ...


class HashedEmbedder:
    name = HASHED

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return [hashed(text) for text in texts]

    async def close(self) -> None:
        return None


class RestEmbedder:
    """One server and one model."""

    def __init__(self, *, base_url: str | None, api_key: str, model: str) -> None:
        self.name = model
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=TIMEOUT_S, max_retries=0
        )

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._client.embeddings.create(
                    model=self.name, input=list(texts), encoding_format="float"
                )
        except (openai.OpenAIError, TimeoutError) as error:
            log.warning("embedding_failed", dependency="embedding", error=type(error).__name__)
            raise EmbeddingAway from None
        return vectors_of(answer, count=len(texts))

    async def close(self) -> None:
        await self._client.close()


def vectors_of(answer: CreateEmbeddingResponse, *, count: int) -> list[Vector]:
    """The SDK checks nothing. Raises EmbeddingAway for what is not one vector a text."""
    try:
        items = sorted(answer.data, key=lambda item: item.index or 0)
        vectors = [unit([float(v) for v in item.embedding[:DIMENSIONS_MAX]]) for item in items]
    except (TypeError, ValueError, AttributeError):
        vectors = []
    if len(vectors) != count or len({len(vector) for vector in vectors} - {0}) != 1:
        log.warning("embedding_unreadable", dependency="embedding")
        raise EmbeddingAway
    return vectors


def open_embedder(settings: MemorySettings) -> Embedder:
    """As configured; nothing is asked of a server before it is used."""
    if settings.embedding_model is None:
        return HashedEmbedder()
    return RestEmbedder(
        base_url=settings.embedding_base_url,
        api_key=key_for_sdk(settings.embedding_api_key),
        model=settings.embedding_model,
    )


async def embedded(embedder: Embedder, texts: Sequence[str]) -> tuple[str, list[Vector]]:
    """Vectors and the name of who made them: hashes when the server is away, never nothing."""
    if not texts:
        return embedder.name, []
    try:
        return embedder.name, await embedder.embed(texts)
    except EmbeddingAway:
        return HASHED, [hashed(text) for text in texts]


def hashed(text: str) -> Vector:
    """Words and pieces of three letters, each a sign in one of 256 places. Deterministic."""
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        if word in EMPTY_WORDS:
            continue
        padded = f" {word} "
        pieces = [padded[at : at + PIECE_CHARS] for at in range(len(padded) - PIECE_CHARS + 1)]
        for piece, weight in ((word, 1.0), *((piece, 0.3) for piece in pieces)):
            digest = blake2b(piece.encode(), digest_size=4).digest()
            place = int.from_bytes(digest[:3]) % DIMENSIONS
            vector[place] += weight if digest[3] & 1 else -weight
    return unit(vector)


def unit(vector: Sequence[float]) -> Vector:
    """At length 1, so that an inner product is a cosine; zeros stay zeros."""
    length = math.sqrt(sum(value * value for value in vector))
    if not math.isfinite(length) or length == 0:
        return [0.0] * len(vector)
    return [value / length for value in vector]
