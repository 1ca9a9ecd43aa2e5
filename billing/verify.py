"""
Check receipts offline: without us, without a database, without a network.

    python -m billing.verify FILE... [--keys KEYS.json]

A FILE is an answer of GET /api/calls/{id}/receipt. KEYS.json is what /.well-known/receipt-keys.json
answers: fetch it yourself, whoever forges a receipt can also forge the keys beside it. Without
--keys a receipt-keys.json next to the first FILE is used. Several files of an account, in any
order, are checked as a chain too.

Exit 0: everything is proven. 1: something is wrong or could not be checked, said in words.
2: the command itself cannot be understood.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from billing.canonical_json import NotCanonical
from billing.receipt_body import credits_text, hash_of
from billing.receipt_checks import content_problems
from billing.receipt_seal import PublicKeys, read_keys, read_sealed, seal_problems

FILES_MAX: Final = 10_000  # a call a day for 27 years
FILE_BYTES_MAX: Final = 4_000_000  # a call of 24 hours has about 1 MB
PROBLEMS_SHOWN_MAX: Final = 20  # one cause may spoil thousands of segments
LINE_CHARS_MAX: Final = 400
KEYS_NAME: Final = "receipt-keys.json"


@dataclass(frozen=True, slots=True)
class Link:
    """What the chain of an account needs of one receipt."""

    account_id: str
    sequence: int
    previous_hash: str
    hash: str


@dataclass(slots=True)
class Checked:
    """One file: what it is in words, and what is wrong. `link` is None when nobody can tell."""

    name: str
    words: str = "not a receipt"
    problems: list[str] = field(default_factory=list)
    link: Link | None = None


def check_receipt(name: str, text: str, keys: PublicKeys | None) -> Checked:
    """Check one receipt by itself: form, hash, signature, times and arithmetic."""
    try:
        sealed = read_sealed(text)
    except NotCanonical as problem:
        return Checked(name, problems=[str(problem)])
    link = _link_of(sealed.content, hash_of(sealed.body))
    return Checked(
        name=name,
        words=_words_of(sealed.content, link) if link else "a receipt",
        problems=[*seal_problems(sealed, keys), *content_problems(sealed.content)],
        link=link,
    )


def check_chains(receipts: Sequence[Checked]) -> None:
    """Add to each receipt what is wrong between it and the others of its account."""
    links = [(receipt.link, receipt) for receipt in receipts if receipt.link]
    links.sort(key=lambda pair: (pair[0].account_id, pair[0].sequence))
    for (old, before), (new, receipt) in pairwise(links):
        if old.account_id == new.account_id:
            receipt.problems += _break_between(old, new, before.name)


def _break_between(old: Link, new: Link, before: str) -> Iterator[str]:
    """`old` comes directly before `new` among the files; the same receipt twice is no harm."""
    if new.sequence == old.sequence:
        if new.hash != old.hash:
            yield f"{before} is another receipt with the number {new.sequence}"
    elif new.sequence != old.sequence + 1:
        first, last = old.sequence + 1, new.sequence - 1
        missing = f"receipt {first} is" if first == last else f"receipts {first} to {last} are"
        yield f"{missing} missing between {before} and this one"
    elif new.previous_hash != old.hash:
        yield f"its previous_hash is not the hash of {before}"


def _link_of(content: Any, own_hash: str) -> Link | None:
    if not isinstance(content, dict):
        return None
    account, number, previous = map(content.get, ("account_id", "sequence", "previous_hash"))
    if isinstance(account, str) and type(number) is int and isinstance(previous, str):
        return Link(account, number, previous, own_hash)
    return None


def _words_of(content: Any, link: Link) -> str:
    cost = content.get("cost_microcredits")
    amount = f", {credits_text(cost)} credits" if type(cost) is int else ""
    return f"receipt {link.sequence} of account {link.account_id}{amount}"


def read_text(path: Path) -> str:
    """Raises NotCanonical for what is no text of a sensible size."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise NotCanonical(f"it has more than {FILE_BYTES_MAX} bytes")
        return raw.decode()
    except OSError as error:
        raise NotCanonical(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotCanonical("it is not UTF-8 text") from None


def check_files(paths: Sequence[Path], keys: PublicKeys | None) -> list[Checked]:
    """One result a file, in the order given."""
    receipts = []
    for path in paths:
        try:
            receipts.append(check_receipt(str(path), read_text(path), keys))
        except NotCanonical as problem:
            receipts.append(Checked(str(path), problems=[str(problem)]))
    check_chains(receipts)
    return receipts


def _print(receipt: Checked) -> None:
    print(_line(f"{receipt.name}: {'WRONG' if receipt.problems else 'ok'}: {receipt.words}"))
    for problem in receipt.problems[:PROBLEMS_SHOWN_MAX]:
        print(_line(f"  {problem}"))
    if len(receipt.problems) > PROBLEMS_SHOWN_MAX:
        print(f"  and {len(receipt.problems) - PROBLEMS_SHOWN_MAX} more")


def _line(words: str) -> str:
    """Words of a stranger's file must not steer the terminal, nor flood it."""
    shown = words[:LINE_CHARS_MAX]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _keys_for(option: Path | None, first: Path) -> PublicKeys | None:
    """The given or the neighbouring key set. Raises NotCanonical when it is unusable."""
    path = option or first.parent / KEYS_NAME
    if option is None and not path.is_file():
        return None
    return read_keys(read_text(path))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m billing.verify", description="Check receipts.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--keys", type=Path, metavar="KEYS.json", help=f"default: {KEYS_NAME}")
    options = parser.parse_args(arguments)
    if len(options.files) > FILES_MAX:
        parser.error(f"more than {FILES_MAX} files")
    try:
        keys = _keys_for(options.keys, options.files[0])
    except NotCanonical as problem:
        parser.error(f"the key set cannot be used: {problem}")
    receipts = check_files(options.files, keys)
    for receipt in receipts:
        _print(receipt)
    wrong = sum(1 for receipt in receipts if receipt.problems)
    print(f"{len(receipts)} checked, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
