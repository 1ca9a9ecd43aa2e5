"""Everything a Stripe account holds: its objects, its events, its clock."""

import copy
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.stripe.cards import Card
from tests.fakes.stripe.refusals import missing
from tests.fakes.stripe.timeline import Timeline

API_VERSION = "2026-10-28.endive"

LASTING = frozenset({"subscription", "invoice", "checkout.session"})

Doc = dict[str, Any]


def shown(doc: Doc) -> Doc:
    """A copy without what the fake notes for itself (names that start with an underscore)."""
    return {name: copy.deepcopy(value) for name, value in doc.items() if name[0] != "_"}


@dataclass
class StripeAccount:
    """`kept` in the order of creation; what changes a document calls `emit` afterwards."""

    timeline: Timeline = field(default_factory=Timeline)
    url: str = ""
    kept: dict[str, Doc] = field(default_factory=dict)
    kinds: dict[str, list[Doc]] = field(default_factory=lambda: defaultdict(list))
    lasting: dict[str, Doc] = field(default_factory=dict)  # what time can still do something to
    cards: dict[str, Card] = field(default_factory=dict)  # payment method -> what its bank does
    events: list[Doc] = field(default_factory=list)
    listeners: list[Callable[[Doc], None]] = field(default_factory=list)
    request: Doc = field(default_factory=lambda: {"id": None, "idempotency_key": None})

    @property
    def now_s(self) -> int:
        return self.timeline.now_s

    def new(self, prefix: str, kind: str, **fields: Any) -> Doc:
        """A kept document with what all of Stripe's have."""
        doc = {
            "id": f"{prefix}_{secrets.token_hex(10)}",
            "object": kind,
            "created": self.now_s,
            "livemode": False,
            **fields,
        }
        self.kept[doc["id"]] = doc
        self.kinds[kind].append(doc)
        if kind in LASTING:
            self.lasting[doc["id"]] = doc
        return doc

    def get(self, kind: str, wanted: str, *, param: str = "id") -> Doc:
        found = self.kept.get(wanted)
        if found is None or found["object"] != kind:
            raise missing(kind.replace("_", " "), wanted, param=param)
        return found

    def all(self, kind: str, **where: Any) -> list[Doc]:
        """Newest first, as Stripe lists."""
        return [
            doc
            for doc in reversed(self.kinds[kind])
            if all(doc.get(name) == value for name, value in where.items() if value is not None)
        ]

    def emit(self, kind: str, doc: Doc) -> Doc:
        """An event with the object as it is now; listeners (the webhooks) hear of it at once."""
        event: Doc = {
            "id": f"evt_{secrets.token_hex(10)}",
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now_s,
            "data": {"object": shown(doc)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": dict(self.request),
            "type": kind,
        }
        self.events.append(event)
        for listener in self.listeners:
            listener(event)
        return event
