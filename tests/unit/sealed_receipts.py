"""Receipts as the endpoint answers them, made by the real builder and a key of the tests."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from billing.pricing import call_cost
from billing.receipt_body import (
    GENESIS_HASH,
    CallFacts,
    Place,
    call_content,
    hash_of,
    receipt_text,
)
from billing.receipt_keys import ReceiptKeys, new_entry
from billing.receipt_seal import read_keys

KEYS = ReceiptKeys.parse(new_entry())
PUBLIC = read_keys(json.dumps(KEYS.key_set()))
ACCOUNT = UUID(int=7)
PRICE = 1_000_000_007  # leaves another remainder for each number of seconds
STARTED = datetime(2026, 11, 21, 9, 0, 0, 250_001, tzinfo=UTC)
ENDS_S = (10, 20, 30, 37)


def facts(**changes: Any) -> CallFacts:
    """A call of 37 seconds in four segments with one gap."""
    starts = (0, *ENDS_S)
    cost = call_cost(PRICE, ENDS_S[-1])
    values: dict[str, Any] = {
        "id": uuid4(),
        "user_id": ACCOUNT,
        "authorized_at": STARTED - timedelta(milliseconds=2_600),
        "answered_at": STARTED - timedelta(milliseconds=900),
        "started_at": STARTED,
        "ended_at": STARTED + timedelta(seconds=41, microseconds=5),
        "end_reason": "caller_hangup",
        "free_call": False,
        "seconds": ENDS_S[-1],
        "price": PRICE,
        "rate_card_version": 3,
        "cost": cost,
        "segments": [
            [start, end, call_cost(PRICE, end) - call_cost(PRICE, start), "agent"]
            for start, end in zip(starts, ENDS_S, strict=False)
        ],
        "gaps": [{"at_s": 22, "lasted_ms": 3_912, "cause": "media_lost"}],
        "ledger": [{"id": 41, "kind": "call", "amount_microcredits": -cost}],
    }
    return CallFacts(**(values | changes))


def body_of(sequence: int = 1, previous_hash: str = GENESIS_HASH, account: UUID = ACCOUNT) -> str:
    place = Place(uuid4(), account, sequence, previous_hash, STARTED + timedelta(minutes=1))
    return receipt_text(place, "call", call_content(facts()))


def seal(body: str, keys: ReceiptKeys = KEYS) -> dict[str, Any]:
    """What the endpoint answers."""
    assert keys.signer
    return {
        "receipt": json.loads(body),
        "body": body,
        "hash": hash_of(body),
        "signature": keys.signer.sign(body),
        "keyId": keys.signer.key_id,
    }


def chain(length: int, account: UUID = ACCOUNT) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = []
    previous = GENESIS_HASH
    for sequence in range(1, length + 1):
        documents.append(seal(body_of(sequence, previous, account)))
        previous = documents[-1]["hash"]
    return documents
