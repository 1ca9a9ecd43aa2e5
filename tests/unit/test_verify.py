"""
Receipts checked offline: what the real builder writes is proven, and any change to it is found.

Two kinds of forger are played: one who can write files only, and the operator, who holds the key
and can seal whatever he likes.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import canonical_json, verify
from billing.pricing import call_cost
from billing.receipt_body import (
    GENESIS_HASH,
    CallFacts,
    Place,
    call_content,
    credits_text,
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


def problems_of(document: object) -> list[str]:
    return verify.check_receipt("r.json", json.dumps(document), PUBLIC).problems


def problems_sealed_by_operator(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """The operator changes a body and seals it with his true key."""
    body = json.loads(body_of())
    change(body)
    return problems_of(seal(canonical_json.encode(body)))


def chain(length: int, account: UUID = ACCOUNT) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = []
    previous = GENESIS_HASH
    for sequence in range(1, length + 1):
        documents.append(seal(body_of(sequence, previous, account)))
        previous = documents[-1]["hash"]
    return documents


def run(folder: Path, documents: list[dict[str, Any]], *arguments: str) -> int:
    """Write the files and the key set, and run the command in this process."""
    (folder / "receipt-keys.json").write_text(json.dumps(KEYS.key_set()))
    paths = []
    for number, document in enumerate(documents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(document, indent=1))
        paths.append(str(path))
    return verify.main([*paths, *arguments])


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


def test_a_chain_is_proven_in_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [*chain(5), *chain(3, account=UUID(int=8))]

    assert run(tmp_path, documents[::-1]) == 0
    assert "8 checked, 0 wrong" in capsys.readouterr().out


def test_the_tail_of_a_chain_can_be_checked_alone(tmp_path: Path) -> None:
    assert run(tmp_path, chain(5)[2:]) == 0


def test_the_same_receipt_twice_is_no_harm(tmp_path: Path) -> None:
    documents = chain(2)

    assert run(tmp_path, [*documents, *documents]) == 0


def test_a_missing_receipt_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = chain(5)

    assert run(tmp_path, [documents[0], documents[1], documents[4]]) == 1
    said = capsys.readouterr().out
    assert "receipts 3 to 4 are missing between" in said
    assert "3 checked, 1 wrong" in said


def test_a_receipt_written_anew_breaks_the_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator replaces number 2 by another true-looking one."""
    documents = chain(3)
    documents[1] = seal(body_of(2, documents[0]["hash"]))

    assert run(tmp_path, documents) == 1
    assert "its previous_hash is not the hash of" in capsys.readouterr().out


def test_two_receipts_with_one_number_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = chain(2)
    other = seal(body_of(2, documents[0]["hash"]))

    assert run(tmp_path, [*documents, other]) == 1
    assert "is another receipt with the number 2" in capsys.readouterr().out


def test_receipts_of_retired_keys_stay_proven(tmp_path: Path) -> None:
    old, new = new_entry(), new_entry()
    before, after = ReceiptKeys.parse(old), ReceiptKeys.parse(f"{new},{old}")
    documents = [seal(body_of(), before)]
    documents.append(seal(body_of(2, documents[0]["hash"]), after))
    keys = tmp_path / "all.json"
    keys.write_text(json.dumps(after.key_set()))

    assert documents[0]["keyId"] != documents[1]["keyId"]
    assert run(tmp_path, documents, "--keys", str(keys)) == 0
    assert run(tmp_path, documents) == 1  # the neighbouring key set has neither


def test_without_keys_nothing_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(SEALED))

    assert verify.main([str(path)]) == 1
    assert "the signature was not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "key_set",
    [
        "",
        "[]",
        "{}",
        '{"keys": 1}',
        '{"keys": [1]}',
        '{"keys": [{"crv": "P-256", "kid": "k", "x": "AA"}]}',
        '{"keys": [{"crv": "Ed25519", "kid": "k"}]}',
        '{"keys": [{"crv": "Ed25519", "kid": "k", "x": "AA"}]}',
        '{"keys": [{"crv": "Ed25519", "kid": "k", "x": "ä"}]}',
    ],
)
def test_an_unusable_key_set_is_wrong_usage(tmp_path: Path, key_set: str) -> None:
    (tmp_path / "keys.json").write_text(key_set)

    with pytest.raises(SystemExit) as ended:
        run(tmp_path, [SEALED], "--keys", str(tmp_path / "keys.json"))

    assert ended.value.code == 2


def test_files_that_cannot_be_read_are_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe4"}')
    (tmp_path / "huge.json").write_bytes(b" " * (verify.FILE_BYTES_MAX + 1))
    names = ["missing.json", "latin.json", "huge.json", "."]

    assert verify.main([str(tmp_path / name) for name in names]) == 1

    said = capsys.readouterr().out
    assert "No such file" in said
    assert "not UTF-8" in said
    assert "has more than 4000000 bytes" in said
    assert "Is a directory" in said


def test_words_of_a_stranger_do_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.loads(body_of()) | {"account_id": "\x1b[2J" + "x" * 9_000, "\x1b[1m": 1}

    assert run(tmp_path, [seal(canonical_json.encode(body))]) == 1

    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert max(len(line) for line in said.splitlines()) <= verify.LINE_CHARS_MAX


def test_one_fault_in_a_long_call_does_not_flood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.loads(body_of())
    body["segments"] = [[1, 0, 0, "agent"]] * 5_000

    assert run(tmp_path, [seal(canonical_json.encode(body))]) == 1
    assert len(capsys.readouterr().out.splitlines()) < 30


def test_the_command_works_by_itself_and_knows_no_database(tmp_path: Path) -> None:
    code = run(tmp_path, [SEALED])
    assert code == 0
    program = (
        "import sys\nfrom billing import verify\ncode = verify.main(sys.argv[1:])\n"
        "assert not {'asyncpg', 'fastapi', 'pydantic', 'socket'} & sys.modules.keys()\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "0.json")],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert "1 checked, 0 wrong" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--keys"], ["--frobnicate", "r.json"]])
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        verify.main(arguments)

    assert ended.value.code == 2


JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_a_canonical_text_is_read_back_as_it_was(value: object) -> None:
    text = canonical_json.encode(value)

    assert canonical_json.decode(text) == value
    assert canonical_json.encode(canonical_json.decode(text)) == text


def test_the_canonical_form_is_the_documented_one() -> None:
    value = {"b": [1, -2, True, {"z": "", "a": 'ü "\\\n\x01€'}], "A": "\u2028", "a1": 0}

    assert canonical_json.encode(value) == (
        '{"A":"\u2028","a1":0,"b":[1,-2,true,{"a":"ü \\"\\\\\\n\\u0001€","z":""}]}'
    )


@pytest.mark.parametrize(
    "value", [1.0, None, 2**63, {"ä": 1}, {1: 2}, "\ud800", b"x", {"a": [None]}]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(canonical_json.NotCanonical):
        canonical_json.encode(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "not JSON (line 1"),
        ("[1.0]", "not whole"),
        ("[1e3]", "not whole"),
        ("[NaN]", "not whole"),
        ('{"a":1,"a":1}', "the same name twice"),
    ],
)
def test_a_text_that_is_not_read_says_why(text: str, words: str) -> None:
    with pytest.raises(canonical_json.NotCanonical, match=re.escape(words)):
        canonical_json.read(text)


def test_a_text_made_to_exhaust_the_reader_is_refused() -> None:
    for text, words in (("[" * 100_000, "nested too deeply"), ("9" * 5_000, "too long")):
        with pytest.raises(canonical_json.NotCanonical, match=words):
            canonical_json.read(text)
    with pytest.raises(canonical_json.NotCanonical, match="nested too deeply"):
        canonical_json.decode("[" * 17 + "]" * 17)


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '{"b":1,"a":2}', '"\\u00e4"', "01", "1.0", "-0", '{"a":1,"a":1}', "1 "]
)
def test_another_spelling_is_not_canonical(text: str) -> None:
    with pytest.raises(canonical_json.NotCanonical):
        canonical_json.decode(text)


def test_building_a_receipt_changes_no_fact() -> None:
    call = facts()
    before = copy.deepcopy(call)

    call_content(call)

    assert call == before


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0"),
        (1, "0.000001"),
        (1_000_000, "1"),
        (-2_283_334, "-2.283334"),
        (1_234_567_500_000, "1,234,567.5"),
    ],
)
def test_credits_are_shown_exactly(amount: int, words: str) -> None:
    assert credits_text(amount) == words
