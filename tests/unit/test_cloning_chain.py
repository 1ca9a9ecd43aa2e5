"""The record of consents is one chain: any change to it shows."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from control_plane.cloning.chain import (
    GENESIS_HASH,
    Entry,
    EntryKind,
    Given,
    Link,
    chain_problems,
    given_body,
    hash_of,
    revoked_body,
)
from control_plane.cloning.statements import (
    Whose,
    retention_text,
    statement_sha256,
    statement_text,
)

USER = UUID(int=7)
NOW = datetime(2026, 5, 1, 12, 0, 0, 5, tzinfo=UTC)
GIVEN = Given(
    whose=Whose.OWN,
    speaker_statement="",
    statement_version=1,
    statement_sha256=statement_sha256(Whose.OWN),
    phrase="my voice may be cloned apple",
    recording_sha256="ab" * 32,
    heard="my voice may be cloned apple",
    match_percent=100,
    address="203.0.113.9",
    expires_at=NOW + timedelta(days=365),
)


def entry(link: Link, kind: EntryKind, consent_id: UUID, body: str) -> Entry:
    return Entry(
        link.user_id, link.sequence, kind, consent_id, body, hash_of(body), link.previous_hash
    )


def record() -> list[Entry]:
    """Two consents, then the first is withdrawn."""
    entries: list[Entry] = []
    for sequence, (kind, consent) in enumerate(
        [(EntryKind.GIVEN, 1), (EntryKind.GIVEN, 2), (EntryKind.REVOKED, 1)], start=1
    ):
        link = Link(USER, sequence, entries[-1].hash if entries else GENESIS_HASH)
        consent_id = UUID(int=consent)
        if kind is EntryKind.GIVEN:
            body = given_body(link, consent_id=consent_id, at=NOW, given=GIVEN)
        else:
            body = revoked_body(link, consent_id=consent_id, at=NOW, address="203.0.113.9")
        entries.append(entry(link, kind, consent_id, body))
    return entries


def rehashed(old: Entry, body: str) -> Entry:
    return dataclasses.replace(old, body=body, hash=hash_of(body))


def test_an_untouched_record_has_no_problems() -> None:
    assert list(chain_problems(record())) == []
    assert list(chain_problems([])) == []


TAMPERINGS: dict[str, Callable[[list[Entry]], list[Entry]]] = {
    "body": lambda e: [dataclasses.replace(e[0], body=e[0].body.replace("apple", "pear")), *e[1:]],
    "body and hash": lambda e: [rehashed(e[0], e[0].body.replace("apple", "pear")), *e[1:]],
    "one removed": lambda e: [e[0], e[2]],
    "first removed": lambda e: e[1:],
    "order": lambda e: [e[1], e[0], e[2]],
    "consent of the row": lambda e: [*e[:2], dataclasses.replace(e[2], consent_id=UUID(int=2))],
    "kind of the row": lambda e: [*e[:2], dataclasses.replace(e[2], kind="given")],
    "account of the row": lambda e: [dataclasses.replace(e[0], user_id=UUID(int=8)), *e[1:]],
    "another body": lambda e: [*e[:2], rehashed(e[2], "[]")],
    "no body": lambda e: [*e[:2], rehashed(e[2], "no JSON")],
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_every_change_of_the_record_shows(tamper: Callable[[list[Entry]], list[Entry]]) -> None:
    assert list(chain_problems(tamper(record())))


def test_a_statement_is_frozen_with_its_version() -> None:
    """A new wording is a new version: whoever edits a published one breaks this."""
    assert statement_sha256(Whose.OWN, 1)[:16] == "5dfed368369e3ae1"
    assert statement_sha256(Whose.OTHER, 1)[:16] == "e3440c7fd5c9e80a"
    assert "withdraw" in statement_text(Whose.OWN)


def test_the_retention_text_says_the_configured_days() -> None:
    assert "deleted 12 days after" in retention_text(reference_days=12)
