"""The same key gives the first answer, for a day."""

import json
from dataclasses import dataclass, field

from tests.fakes.stripe.account import Doc
from tests.fakes.stripe.refusals import key_used_otherwise

KEY_AGE_S_MAX = 86_400


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Doc


@dataclass(frozen=True, slots=True)
class _First:
    request: str
    at_s: int
    answer: Answer


@dataclass
class IdempotencyKeys:
    first: dict[str, _First] = field(default_factory=dict)

    def replay(self, key: str, path: str, params: Doc, now_s: int) -> Answer | None:
        """Raises Stripe's idempotency error where the request was another one."""
        known = self.first.get(key)
        if known is None or now_s - known.at_s > KEY_AGE_S_MAX:
            return None
        if known.request != _print(path, params):
            raise key_used_otherwise(key)
        return known.answer

    def keep(self, key: str, path: str, params: Doc, now_s: int, answer: Answer) -> None:
        self.first[key] = _First(_print(path, params), now_s, answer)


def _print(path: str, params: Doc) -> str:
    return path + json.dumps(params, sort_keys=True)
