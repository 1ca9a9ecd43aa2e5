"""`python -m billing.verify` over files: chains, keys, exit codes and what it prints."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing import canonical_json, verify
from billing.receipt_keys import ReceiptKeys, new_entry
from tests.unit.sealed_receipts import KEYS, body_of, chain, seal


def run(folder: Path, documents: list[dict[str, Any]], *arguments: str) -> int:
    """Write the files and the key set, and run the command in this process."""
    (folder / "receipt-keys.json").write_text(json.dumps(KEYS.key_set()))
    paths = []
    for number, document in enumerate(documents):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(document, indent=1))
        paths.append(str(path))
    return verify.main([*paths, *arguments])


SEALED = seal(body_of())


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
