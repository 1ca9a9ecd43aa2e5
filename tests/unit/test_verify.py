"""
Receipts checked offline: what the real builder writes is proven, and any change to it is found.

Two kinds of forger are played: one who can write files only, and the operator, who holds the key
and can seal whatever he likes.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import canonical_json, verify
from billing.receipt_body import hash_of
from tests.unit.sealed_receipts import PUBLIC, body_of, seal


def problems_of(document: object) -> list[str]:
    return verify.check_receipt("r.json", json.dumps(document), PUBLIC).problems


def problems_sealed_by_operator(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """The operator changes a body and seals it with his true key."""
    body = json.loads(body_of())
    change(body)
    return problems_of(seal(canonical_json.encode(body)))


def test_a_true_receipt_is_proven() -> None:
    assert problems_of(seal(body_of())) == []


SEALED = seal(body_of())
DIGITS = [index for index, letter in enumerate(SEALED["body"]) if letter.isdigit()]


@given(st.sampled_from(DIGITS), st.integers(1, 9))
def test_any_digit_changed_in_the_body_is_found(index: int, step: int) -> None:
    body = SEALED["body"]
    digit = str((int(body[index]) + step) % 10)
    forged = SEALED | {"body": body[:index] + digit + body[index + 1 :]}

    assert problems_of(forged)


@given(st.sampled_from(DIGITS), st.integers(1, 9))
def test_any_digit_changed_everywhere_but_in_the_signature_is_found(index: int, step: int) -> None:
    """The readable part and the hash are made to fit; only the key is out of the forger's reach."""
    body = SEALED["body"]
    forged = body[:index] + str((int(body[index]) + step) % 10) + body[index + 1 :]
    try:
        readable = json.loads(forged)
    except ValueError:  # a leading zero
        return

    document = SEALED | {"body": forged, "receipt": readable, "hash": hash_of(forged)}

    assert any("signature" in problem for problem in problems_of(document))


@pytest.mark.parametrize("field", ["hash", "signature", "keyId", "body"])
def test_each_part_of_the_seal_is_checked(field: str) -> None:
    value = SEALED[field]
    for changed in ("", value[:-1], value + "A", value.swapcase(), "=" + value):
        if changed != value:
            assert problems_of(SEALED | {field: changed}), changed


def test_a_signature_spelled_differently_is_not_taken() -> None:
    """urlsafe_b64decode skips letters it does not know, so this one would pass."""
    signature = SEALED["signature"]

    assert problems_of(SEALED | {"signature": signature[:10] + "!" + signature[10:]})
    assert problems_of(SEALED | {"signature": signature + "="})


@pytest.mark.parametrize("field", sorted(SEALED["receipt"]))
def test_each_field_of_the_readable_part_is_checked(field: str) -> None:
    """Nobody reads the signed text; what people read must say the same."""
    readable = SEALED["receipt"]
    without = {name: value for name, value in readable.items() if name != field}

    for changed in (readable | {field: "other"}, readable | {field: 0}, without):
        assert problems_of(SEALED | {"receipt": changed}) == [
            "the readable part differs from the signed body"
        ]


def test_true_is_not_one() -> None:
    """Python finds them equal."""
    body = json.loads(body_of())
    document = seal(canonical_json.encode(body))
    document["receipt"] = body | {"free_call": 0, "version": True}

    assert problems_of(document) == ["the readable part differs from the signed body"]


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], object]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = to

    return change


def _shift(*path: str | int, by: int) -> Callable[[dict[str, Any]], object]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] += by

    return change


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize(
    "path",
    [
        ("billed_seconds",),
        ("price_microcredits_per_minute",),
        ("cost_microcredits",),
        ("version",),
        *[("segments", index, part) for index in range(4) for part in range(3)],
        ("ledger", 0, "amount_microcredits"),
        ("free", "waiting_ms"),
    ],
)
def test_the_operators_own_key_does_not_make_wrong_figures_right(
    path: tuple[str | int, ...], by: int
) -> None:
    assert problems_sealed_by_operator(_shift(*path, by=by))


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (_set("segments", to=[]), "the segments reach 0 s, billed are 37 s"),
    (lambda body: body["segments"].pop(1), "segment 1 begins at 20 s, the one before ended at"),
    (lambda body: body["segments"].reverse(), "segment 0 begins at 30 s"),
    (lambda body: body["segments"].append(body["segments"][3]), "segment 4 begins at 30 s"),
    (lambda body: body["segments"].insert(1, [10, 10, 0, "agent"]), "segment 1 ends where it"),
    (_shift("segments", 1, 2, by=5), "the segments cost 616666676 together, the call 616666671"),
    (_set("ledger", to=[]), "the ledger has 0 debits for the call instead of one"),
    (lambda body: body["ledger"].append(body["ledger"][0]), "the ledger has 2 debits"),
    (_set("ledger", 0, "kind", to="refund"), "the ledger has 0 debits"),
    (_set("answered_at", to="2026-11-21T08:00:00.000000Z"), "answered_at is before authorized"),
    (_set("ended_at", to="2026-11-21T09:00:00.250000Z"), "ended_at is before started_at"),
    (_set("issued_at", to="2026-11-21T09:00:01.000000Z"), "issued_at is before ended_at"),
    (
        _set("ended_at", to="2026-11-21T09:00:34.000000Z"),
        "billed 37 s of a call that lasted 34",
    ),
    (_set("ended_at", to="2026-11-21T09:00:41Z"), "ended_at is not a time in UTC"),
    (_set("ended_at", to="2026-11-21T09:00:41.1Z"), "ended_at is not a time in UTC"),
    (_set("ended_at", to="2026-02-30T09:00:41.100000Z"), "ended_at is not a time in UTC"),
    (_set("free", "gaps", 0, "lasted_ms", to=-1), "gap 0 has a time below 0"),
    (
        _set("previous_hash", to="1" * 64),
        "only the first receipt of an account has no previous",
    ),
    (_set("sequence", to=0), "its number in the account is less than 1"),
    (
        _set("price_microcredits_per_minute", to=0),
        "billed seconds and price are not both above",
    ),
    (_set("price_microcredits_per_minute", to=2**63 - 1), "but 37 s at 9223372036854775807"),
    (_set("version", to=2), "this program knows version 1 of receipts only"),
    (_set("kind", to="gift"), "a kind whose arithmetic this program does not know"),
    (_set("billed_seconds", to="37"), "billed_seconds is not a whole number"),
    (_set("billed_seconds", to=True), "billed_seconds is not a whole number"),
    (_set("segments", 0, to=[0, 10, 5]), "segments[0] is not a list of the right length"),
    (_set("segments", 2, 1, to="30"), "segments[2][1] is not a whole number"),
    (_set("free", to=[]), "free is not an object"),
    (_set("note", to="paid in cash"), "note does not belong there"),
    (lambda body: body.pop("ledger"), "ledger is missing"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_in_words(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    problems = problems_sealed_by_operator(change)

    assert any(words in problem for problem in problems), problems


def test_a_call_may_be_billed_two_seconds_beyond_its_wall_time() -> None:
    """The second that was begun counts, and two machines never share a clock."""
    assert problems_sealed_by_operator(_set("ended_at", to="2026-11-21T09:00:35.250001Z")) == []


MALFORMED = [
    "",
    "null",
    "[]",
    "{}",
    '"receipt"',
    "12",
    "nonsense",
    "[" * 100_000,
    '{"a":' * 100_000,
    "9" * 5_000,
    "1e400",
    "NaN",
    '{"body": 1.5}',
    '{"body": "x", "body": "y"}',
    json.dumps(SEALED | {"body": "[" * 100_000}),
    json.dumps(SEALED | {"body": "[" * 20 + "]" * 20}),
    json.dumps(SEALED | {"body": "3"}),
    json.dumps(SEALED | {"body": '"\\ud800"'}),
    json.dumps(SEALED | {"body": SEALED["body"].replace(":", ": ", 1)}),
    json.dumps(SEALED | {"body": SEALED["body"].replace("37", "3.7e1", 1)}),
    json.dumps(SEALED | {"extra": 1}),
    json.dumps(SEALED | {"hash": None}),
    json.dumps(SEALED | {"keyId": []}),
    json.dumps(SEALED | {"signature": 3}),
    json.dumps(SEALED).replace('"hash"', '"hash": "", "hash"'),
    json.dumps(SEALED | {"signature": "\udfff"}),
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_file_is_a_problem_in_words(text: str) -> None:
    assert verify.check_receipt("r.json", text, PUBLIC).problems


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_content_breaks_the_program(value: object) -> None:
    body = json.dumps(value)
    document = {"receipt": value, "body": body, "hash": "", "signature": "", "keyId": ""}

    assert problems_of(document)


@pytest.mark.parametrize("field", sorted(SEALED["receipt"]))
@pytest.mark.parametrize("value", ["x", 3, True, [], {}, [[]], [{}], {"gaps": 1}])
def test_no_type_of_a_field_breaks_the_program(field: str, value: object) -> None:
    body = json.loads(SEALED["body"])
    if type(body[field]) is not type(value) or isinstance(value, list | dict):
        assert problems_sealed_by_operator(_set(field, to=value))
