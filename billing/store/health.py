"""SQL of the proof obligations."""

from dataclasses import dataclass

from shared.db import Tx

VIOLATIONS = "select invariant, key from invariant_violations order by invariant, key limit $1"


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    key: str


async def violations(tx: Tx, *, limit: int) -> list[Violation]:
    return [Violation(**row) for row in await tx.fetch(VIOLATIONS, limit)]
